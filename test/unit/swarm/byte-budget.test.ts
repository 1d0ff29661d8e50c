import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Holding } from '../../../src/swarm/byte-budget.ts'
import { ByteBudget } from '../../../src/swarm/byte-budget.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const KIB = 1024
const MIB = 1024 * KIB

class Peer {
  readonly holding: Holding
  ended: string | undefined
  #bytes = 0

  constructor(budget: ByteBudget) {
    this.holding = budget.open({
      measure: () => this.#bytes,
      end: (error) => {
        this.ended = `${error.code} ${error.details.reason}`
        this.holding[Symbol.dispose]()
      },
    })
  }

  hold(bytes: number): void {
    this.#bytes = bytes
    this.holding.update()
  }
}

function peers(count: number, limitBytes = 10 * MIB): { clock: ManualClock; budget: ByteBudget; all: Peer[] } {
  const clock = new ManualClock()
  const budget = new ByteBudget(limitBytes, clock)
  return { clock, budget, all: Array.from({ length: count }, () => new Peer(budget)) }
}

test('no number of peers, each within its own bounds, makes a host hold more than twice the budget', () => {
  const { budget, all } = peers(100)
  for (const [index, peer] of all.entries()) {
    peer.hold(1 * MIB + index)
    assert.ok(budget.bytes <= 20 * MIB, `${budget.bytes} bytes`)
  }
  assert.equal(all[0]?.ended, undefined, 'the lightest stays')
  assert.equal(all.at(-1)?.ended, 'PEER_PROTOCOL unread')
})

test('while somebody waits, those that stand still end, the heaviest first; those that read do not', () => {
  const { clock, budget, all } = peers(4)
  const [reader, heavy, light, other] = all
  reader?.hold(3 * MIB)
  heavy?.hold(2.5 * MIB)
  light?.hold(2 * MIB)
  let told = 0
  other?.holding.wait(() => told++)
  for (let i = 1; i <= 5; i++) {
    clock.advance(500)
    reader?.hold(3 * MIB - i)
  }
  assert.deepEqual(
    all.map(({ ended }) => ended),
    [undefined, 'PEER_PROTOCOL unread', undefined, undefined],
  )
  assert.equal(budget.bytes, 5 * MIB - 5)
})

test('over half of the budget a peer that holds much begins nothing, one that holds little does; over all of it nobody', async () => {
  const { all } = peers(3)
  const [heavy, light, other] = all
  heavy?.hold(6 * MIB)
  light?.hold(10 * KIB)
  assert.deepEqual([heavy?.holding.mayBegin, light?.holding.mayBegin, light?.holding.mayGrow], [false, true, true])
  other?.hold(4 * MIB)
  assert.deepEqual([light?.holding.mayBegin, light?.holding.mayGrow], [false, false])
  let told = 0
  light?.holding.wait(() => told++)
  await setImmediate()
  assert.equal(told, 0)
  other?.hold(0)
  await setImmediate()
  assert.equal(told, 1)
})

test('what many peers wait for alike counts once in all, and until the last of them has it', () => {
  const { budget, all } = peers(3)
  const answer = new Uint8Array(4 * MIB)
  for (const peer of all) peer.holding.keep(answer, answer.length)
  assert.equal(budget.bytes, 4 * MIB)
  assert.deepEqual(
    all.map(({ ended }) => ended),
    [undefined, undefined, undefined],
  )
  for (const peer of all) {
    assert.equal(budget.bytes, 4 * MIB)
    peer.holding.release(answer)
  }
  assert.equal(budget.bytes, 0)
})

test('a peer that has left holds nothing', () => {
  const { budget, all } = peers(1)
  all[0]?.hold(MIB)
  all[0]?.holding[Symbol.dispose]()
  assert.equal(budget.bytes, 0)
})
