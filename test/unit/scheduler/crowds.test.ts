import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NEIGHBOURS_MOST, oneTooMany, placeHash, SwarmMembers } from '../../../src/scheduler/index.ts'
import { rank } from '../../../src/scheduler/nearness.ts'

const VICTIM = 'victim'
const place = (id: string, group?: string) => ({ id, zone: null, hash: placeHash(id), group })

/** The nearest to the victim of many names: what grinding gives. */
function ground(count: number, of: number): string[] {
  const self = place(VICTIM)
  return Array.from({ length: of }, (_, i) => `ghost-${i}`)
    .toSorted((a, b) => rank(self, place(a)) - rank(self, place(b)))
    .slice(0, count)
}

const GHOSTS = ground(100, 20_000)
const HONEST = Array.from({ length: 100 }, (_, i) => `host-${i}`)

function swarm(members: readonly (readonly [id: string, group: string | undefined])[]): SwarmMembers {
  const made = new SwarmMembers()
  for (const [id, group] of members) made.add({ id, zone: null, group })
  return made
}

describe('identities by the hundred from one address', () => {
  it('are a third of those whom a home introduces at most, whatever they are called and whenever they come', () => {
    const ghosts = GHOSTS.map((id) => [id, '10.0.0.66'] as const)
    const hosts = HONEST.map((id, i) => [id, `10.0.1.${i}`] as const)
    for (const all of [
      [...ghosts, ...hosts],
      [...hosts, ...ghosts],
    ]) {
      const introduced = swarm([...all, [VICTIM, '10.0.0.1']]).introduce(VICTIM)
      assert.equal(introduced.length, 12)
      assert.ok(introduced.filter((id) => id.startsWith('ghost')).length <= 4)
    }
  })

  it('are introduced while there is nobody else', () => {
    const few = swarm([...GHOSTS.map((id) => [id, '10.0.0.66'] as const), ['host-1', '10.0.1.1'], [VICTIM, '10.0.0.1']])
    const introduced = few.introduce(VICTIM)
    assert.equal(introduced.length, 12)
    assert.ok(introduced.includes('host-1'))
  })

  it('do not push out the neighbours that a host has', () => {
    const self = place(VICTIM, '10.0.0.1')
    let kept = HONEST.slice(0, NEIGHBOURS_MOST).map((id, i) => place(id, `10.0.1.${i}`))
    for (const ghost of GHOSTS) {
      const all = [...kept, place(ghost, '10.0.0.66')]
      const excess = oneTooMany(self, all)
      kept = all.filter((one) => one !== excess)
    }
    assert.equal(kept.length, NEIGHBOURS_MOST)
    assert.ok(kept.filter(({ id }) => id.startsWith('ghost')).length <= 4)
  })
})

it('hosts behind one address meet as if there were no addresses', () => {
  const asked = (group: string | undefined): string[] =>
    swarm([...HONEST, VICTIM].map((id) => [id, group] as const)).introduce(VICTIM)
  assert.deepEqual(asked('10.0.0.1'), asked(undefined))
})
