import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { JumbledSwarm } from '../../support/jumbled-swarm.ts'
import type { JumbledWorld } from '../../support/jumbled-world.ts'
import { LIES } from '../../support/jumbled-world.ts'

/** Virtual. Whatever goes wrong has its deadline; a swarm that needs longer does not end. */
const LIMIT_MS = 900_000
/** Longer than any message is under way, and any request is left standing. */
const SETTLED_MS = 120_000

const { SEED = '1', WORLDS = '100' } = process.env
const parameters = { seed: Number(SEED), numRuns: Number(WORLDS) }

const honest: fc.Arbitrary<JumbledWorld> = fc.record({
  seed: fc.nat(),
  hosts: fc.integer({ min: 1, max: 6 }),
  liars: fc.constant([]),
  pieces: fc.integer({ min: 1, max: 60 }),
  isHomeFull: fc.boolean(),
  home: fc.constant('stays'),
  delayMs: fc.constantFrom(0, 1, 20, 300, 2_000),
  cuts: fc.integer({ min: 0, max: 12 }),
  restarts: fc.integer({ min: 0, max: 6 }),
})

const lying: fc.Arbitrary<JumbledWorld> = fc
  .tuple(honest, fc.array(fc.constantFrom(...LIES), { minLength: 1, maxLength: 4 }))
  .map(([world, liars]) => Object.assign({}, world, { liars }))

const abandoned: fc.Arbitrary<JumbledWorld> = fc
  .tuple(fc.oneof(honest, lying), fc.constantFrom('dies', 'lies'))
  .map(([world, home]) => Object.assign({}, world, { home }))

function mustEnd(world: JumbledWorld): void {
  const swarm = new JumbledSwarm(world)
  const lacking = swarm.run(LIMIT_MS)
  assert.deepEqual(
    lacking.map(({ name, have }) => `${name} has ${[...have.values()].map(({ count }) => count)} of ${world.pieces}`),
    [],
  )
  swarm.settle(SETTLED_MS)
}

describe('whatever the order of messages, in which links break and hosts restart,', () => {
  it('every host gets every piece, each once, within its limits', () => {
    fc.assert(fc.property(honest, mustEnd), parameters)
  })

  it('so it does among members who claim everything and give nothing, wrong bytes or half a piece', () => {
    fc.assert(fc.property(lying, mustEnd), parameters)
  })

  it('so it does where the home dies, or is found to give wrong bytes, and its stand-in takes over', () => {
    fc.assert(fc.property(abandoned, mustEnd), parameters)
  })

  it('a host whose neighbours begin each piece and never end one has them from its home', () => {
    const liars = ['half a piece', 'half a piece'] as const
    mustEnd({
      seed: 1,
      hosts: 1,
      liars,
      pieces: 20,
      isHomeFull: true,
      home: 'stays',
      delayMs: 20,
      cuts: 0,
      restarts: 0,
    })
  })
})
