import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../../src/oci/digest.ts'
import { BlobSources } from '../../../src/registry/blob-sources.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const DIGEST = digestOf(Buffer.from('a layer'))
const NOTHING = { local: 0, peer: 0, home: 0, parent: 0, origin: 0 }

describe("a blob's bytes by source", () => {
  it('come from where this host received them since the pull began', () => {
    const clock = new ManualClock()
    const sources = new BlobSources(clock)
    sources.note(DIGEST, 'home', 60)
    sources.note(DIGEST, 'peer', 40)
    const split = sources.split(DIGEST, { sent: 100, since: 0, otherwise: 'local' })
    assert.deepEqual(split, { ...NOTHING, home: 60, peer: 40 })
  })

  it('what came before the pull was here already', () => {
    const clock = new ManualClock()
    const sources = new BlobSources(clock)
    sources.note(DIGEST, 'home', 100)
    clock.advance(1)
    const split = sources.split(DIGEST, { sent: 100, since: 1, otherwise: 'origin' })
    assert.deepEqual(split, { ...NOTHING, local: 100 })
  })

  it('what a resumed transfer had on disk is local', () => {
    const sources = new BlobSources(new ManualClock())
    sources.note(DIGEST, 'origin', 30)
    const split = sources.split(DIGEST, { sent: 100, since: 0, otherwise: 'peer' })
    assert.deepEqual(split, { ...NOTHING, origin: 30, local: 70 })
  })

  it('always add up to what was sent, whatever was received twice', () => {
    const sources = new BlobSources(new ManualClock())
    sources.note(DIGEST, 'home', 37)
    sources.note(DIGEST, 'peer', 41)
    sources.note(DIGEST, 'origin', 59)
    for (let sent = 0; sent < 200; sent++) {
      const split = Object.values(sources.split(DIGEST, { sent, since: 0, otherwise: 'local' }))
      assert.equal(
        split.reduce((sum, bytes) => sum + bytes),
        sent,
      )
      assert.ok(split.every((bytes) => bytes >= 0))
    }
  })
})
