import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { purgeProgress, purgesText, purgeText } from '../../../src/cli/purge-text.ts'
import type { PurgeView } from '../../../src/purge/index.ts'

const MIB = 1024 * 1024
const REGION = { region: 'core', hosts: 1, done: 1, waiting: 0, failed: 0, blobs: 4, freedBytes: MIB, keptBytes: 0 }

const VIEW: PurgeView = {
  id: 'p-0mx1oqq9c-aa531b9b98',
  images: ['r.corp/team/app:v1'],
  dryRun: false,
  by: 'operator alice',
  issuedEpochMs: Date.UTC(2026, 10, 11),
  untilEpochMs: Date.UTC(2026, 11, 11),
  regions: [
    { ...REGION, missing: [] },
    { ...REGION, region: 'eu', hosts: 3, done: 1, waiting: 1, keptBytes: 2 * MIB, missing: ['two: pulls', 'three'] },
  ],
  absent: ['us'],
  complete: false,
}

describe('a purge for eyes', () => {
  it('says how far it is, what it took, and who is missing', () => {
    const text = purgeText(VIEW)
    assert.match(text, /^Hosts +2 of 4 done$/m)
    assert.match(text, /^Freed +2 MiB$/m)
    assert.match(text, /^Kept +2 MiB that a pin or another image needs$/m)
    assert.match(text, /^No answer +region us$/m)
    assert.match(text, /^eu +two: pulls$/m)
    assert.match(text, /until 2026-12-11T/)
    assert.equal(purgeProgress(VIEW), '2 of 4 done, 2 MiB freed')
    assert.match(
      purgesText([VIEW]),
      /^p-0mx1oqq9c-aa531b9b98 +2 of 4 done +2 MiB +2026-11-11T.* r\.corp\/team\/app:v1$/m,
    )
    assert.equal(purgesText([]), 'there are no purges')
  })

  it('says of a dry run that nothing goes', () => {
    const text = purgeText({ ...VIEW, dryRun: true, complete: true, absent: [], regions: [{ ...REGION, missing: [] }] })
    assert.match(text, /^Purge .*\(dry run: nothing goes\)$/m)
    assert.match(text, /^To be freed +1 MiB$/m)
    assert.doesNotMatch(text, /NOT DONE|until/)
  })
})
