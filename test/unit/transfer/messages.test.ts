import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HashRun } from '../../../src/swarm/index.ts'
import { readableRuns } from '../../../src/transfer/messages.ts'
import { SilentLink } from './fixture.ts'

/** A peer that has only these abilities. */
class LinkOfBefore extends SilentLink {
  readonly #abilities: readonly string[]

  constructor(abilities: readonly string[]) {
    super('before')
    this.#abilities = abilities
  }

  override speaks(what: unknown = undefined): boolean {
    return typeof what === 'string' && this.#abilities.includes(what)
  }
}

const hashes = new Uint8Array(32)
const signature = new Uint8Array(200)
const ofHashes: HashRun = { first: 0, hashes, signature }
const ofStates: HashRun = { first: 1, hashes, before: hashes, signature }

test('a peer is told states and signatures by certificates if it knows them', () => {
  const runs = [ofStates, ofHashes]
  assert.deepEqual(readableRuns(new LinkOfBefore(['envelopes', 'states']), runs), runs)
  assert.deepEqual(readableRuns(new LinkOfBefore(['envelopes']), runs), [ofHashes])
  assert.deepEqual(readableRuns(new LinkOfBefore(['states']), runs), [
    { first: 1, hashes, before: hashes },
    { first: 0, hashes },
  ])
  assert.deepEqual(readableRuns(new LinkOfBefore([]), runs), [{ first: 0, hashes }])
})
