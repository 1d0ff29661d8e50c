import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Outcome } from '../../../src/base/outcome.ts'
import { refused } from '../../../src/base/outcome.ts'
import { ALONE_MS } from '../../../src/base/patience.ts'
import type { BlobReader } from '../../../src/blob/interface.ts'
import { openedAlone } from '../../../src/blob/opened-alone.ts'
import { BytesReader } from '../../../src/blob/readers.ts'
import { HandClock } from '../../support/hand-clock.ts'

type Opening = PromiseWithResolvers<Outcome<BlobReader> | undefined>

class CountedReader extends BytesReader {
  disposals = 0

  override async [Symbol.asyncDispose](): Promise<void> {
    this.disposals++
  }
}

/** A blob that is being opened, and what its asker is charged. */
function scene() {
  const clock = new HandClock()
  const opening: Opening = Promise.withResolvers()
  const client = new AbortController()
  const charged = { times: 0 }
  const asker = { entry: 'forClient', mayAsk: true, isPatient: false, charge: () => void charged.times++ } as const
  const outcome = openedAlone(opening.promise, { clock, asker }, client.signal)
  return { clock, opening, client, charged, outcome }
}

describe('a blob that is asked for before anything is known of it', () => {
  const reader = (): CountedReader => new CountedReader(new Uint8Array(3), 'home')

  it('is there, and costs its asker nothing', async () => {
    const { opening, charged, outcome } = scene()
    const found = reader()
    opening.resolve(found)
    assert.equal(await outcome, found)
    assert.deepEqual([charged.times, found.disposals], [0, 0])
  })

  it('is charged when there is no such thing, and when it cannot be had', async () => {
    for (const end of ['refused', 'failed'] as const) {
      const { opening, charged, outcome } = scene()
      if (end === 'refused') opening.resolve(refused('unknown', 'no such blob'))
      else opening.reject(new ShoalError('ORIGIN_UNREACHABLE', 'the origin does not answer'))
      const found = await outcome
      assert.ok(found !== undefined && 'reason' in found)
      assert.equal(found.reason, end === 'refused' ? 'unknown' : 'unavailable')
      assert.equal(charged.times, 1)
    }
  })

  it('is left to who asks for its size first when it is late, and given back when it comes after all', async () => {
    const { clock, opening, charged, outcome } = scene()
    const late = reader()
    assert.equal(clock.fire(), ALONE_MS)
    assert.equal(await outcome, undefined)
    opening.resolve(late)
    await opening.promise
    assert.deepEqual([charged.times, late.disposals], [0, 1])
  })

  it('is left to who asks for its size first when the store cannot take it', async () => {
    const { opening, charged, outcome } = scene()
    opening.reject(new ShoalError('STORE_DISK_FULL', 'no room'))
    assert.equal(await outcome, undefined)
    assert.equal(charged.times, 0)
  })

  it('is charged when its client leaves before it is there, and given back', async () => {
    const { opening, client, charged, outcome } = scene()
    const late = reader()
    client.abort(new Error('gone'))
    await assert.rejects(outcome, /gone/)
    opening.resolve(late)
    await opening.promise
    assert.deepEqual([charged.times, late.disposals], [1, 1])
  })
})
