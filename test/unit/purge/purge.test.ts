import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { parseReference } from '../../../src/oci/reference.ts'
import type { PurgeReport } from '../../../src/purge/purge.ts'
import { parsePurge, purgeEnd, purgeText, regionPurge } from '../../../src/purge/purge.ts'

const MINUTE = 60_000
const DAY = 1_440 * MINUTE

const parse = (text: string) => parseReference(text, 'docker.io')
const read = (texts: readonly string[], repositories = false) =>
  parsePurge(texts, { repositories, dryRun: false }, parse)
const isInvalid = (error: unknown): boolean => isShoalError(error, 'REFERENCE_INVALID')

function report(change: Partial<PurgeReport>): PurgeReport {
  return { state: 'done', reason: null, tags: 1, blobs: 2, freedBytes: 10, keptBytes: 1, ...change }
}

describe('what a purge is of', () => {
  it('is a tag, a digest, or a repository that is called one', () => {
    const digest = `sha256:${'ab'.repeat(32)}`
    const { images } = read(['nginx:1', 'r.corp:5000/team/app:v1', `r.corp/app@${digest}`])
    const texts = ['docker.io/library/nginx:1', 'r.corp:5000/team/app:v1', `r.corp/app@${digest}`]
    assert.deepEqual(images.map(purgeText), texts)
    assert.deepEqual(read(['r.corp:5000/team/app'], true).images.map(purgeText), ['r.corp:5000/team/app'])
  })

  it('is never all tags, nor "latest", by what somebody has left out', () => {
    for (const text of ['nginx', 'r.corp:5000/team/app']) assert.throws(() => read([text]), isInvalid, text)
    for (const text of ['nginx:1', `app@sha256:${'ab'.repeat(32)}`]) assert.throws(() => read([text], true), isInvalid)
  })

  it('is some, and not without end', () => {
    assert.throws(() => read([]), isInvalid)
    assert.throws(() => read(Array.from({ length: 65 }, (_, i) => `app:${i}`)), isInvalid)
  })

  it('holds for hosts that come later; what is only counted does not', () => {
    const spec = read(['nginx:1'])
    assert.deepEqual([purgeEnd(spec, 0), purgeEnd({ ...spec, dryRun: true }, 0)], [30 * DAY, 10 * MINUTE])
  })
})

describe('what a region has done of a purge', () => {
  it('counts its hosts, and names those that have not done it', () => {
    const names = new Map([
      ['a', 'one'],
      ['b', 'two'],
      ['c', 'three'],
      ['d', 'four'],
    ])
    const reports = new Map([
      ['a', report({})],
      ['b', report({ state: 'waiting', reason: '2 blobs are of pulls that are under way', freedBytes: 5 })],
      ['c', report({ state: 'failed', reason: 'the disk is gone', blobs: 0, freedBytes: 0, keptBytes: 0 })],
    ])
    assert.deepEqual(regionPurge('eu', names, reports), {
      region: 'eu',
      hosts: 4,
      done: 1,
      waiting: 1,
      failed: 1,
      blobs: 4,
      freedBytes: 15,
      keptBytes: 2,
      missing: ['two: 2 blobs are of pulls that are under way', 'three: the disk is gone', 'four'],
    })
  })

  it('counts a host that has done it and is forgotten', () => {
    const { hosts, done, missing } = regionPurge('eu', new Map(), new Map([['a', report({})]]))
    assert.deepEqual([hosts, done, missing], [1, 1, []])
  })
})
