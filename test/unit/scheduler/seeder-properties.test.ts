import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import type { SeederEffect, SeederEvent, SeederOptions } from '../../../src/scheduler/index.ts'
import { Seeder } from '../../../src/scheduler/index.ts'

const BLOB = 1
const PIECES = 12
const PEERS = 5
/** Sends of a peer that may be under way; a third waits. */
const ACTIVE = 2

type Step =
  | { readonly type: 'request' | 'want'; readonly peer: number; readonly piece: number; readonly background: boolean }
  /** Of all that is waiting, or being sent, the one at `at`. */
  | { readonly type: 'cancel' | 'written' | 'arrived' | 'lost'; readonly at: number }
  | { readonly type: 'peerGone'; readonly peer: number }

const peer = fc.oneof(
  { weight: 3, arbitrary: fc.constant(1) },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: PEERS }) },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      type: fc.constantFrom('request', 'request', 'want'),
      peer,
      piece: fc.nat({ max: PIECES - 1 }),
      background: fc.boolean(),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({ type: fc.constantFrom('written', 'arrived', 'arrived', 'lost', 'cancel'), at: fc.nat() }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('peerGone'), peer }) },
)
const options: fc.Arbitrary<SeederOptions> = fc.record({
  slots: fc.integer({ min: 1, max: 4 }),
  underWay: fc.integer({ min: 1, max: 8 }),
  queue: fc.integer({ min: 0, max: 40 }),
  parks: fc.boolean(),
})

interface Asked {
  readonly peer: number
  readonly id: number
  /** Of a pull, and for a piece that is there: it can be served at any time. */
  readonly isServable: boolean
  /** Sends to others since this peer could have been served. */
  passed: number
}

/** What a seeder has been asked and has done, seen from outside. */
class Watched {
  readonly #seeder: Seeder
  readonly #options: SeederOptions
  readonly #have = new Bitfield(PIECES)
  readonly #waiting = new Map<number, Asked>()
  readonly #sending = new Map<number, { readonly peer: number; written: boolean }>()
  #nextId = 1

  constructor(options: SeederOptions) {
    this.#options = options
    this.#seeder = new Seeder(options)
    // a few are still to come
    for (let piece = 0; piece < PIECES - 3; piece++) this.#have.set(piece)
    this.#seeder.addBlob(BLOB, this.#have)
  }

  take(step: Step): void {
    const event = this.#event(step)
    if (event === undefined) return
    const effects: SeederEffect[] = []
    this.#seeder.on(event, effects)
    for (const effect of effects) this.#saw(effect)
    this.#check()
  }

  #event(step: Step): SeederEvent | undefined {
    if (step.type === 'peerGone') {
      this.#forget(step.peer)
      return step
    }
    if ('piece' in step) return this.#ask(step)
    if (step.type === 'cancel') {
      const asked = [...this.#waiting.values()][step.at % Math.max(1, this.#waiting.size)]
      if (asked !== undefined) this.#waiting.delete(asked.id)
      return asked && { type: 'cancel', peer: asked.peer, id: asked.id }
    }
    const [id, send] = [...this.#sending][step.at % Math.max(1, this.#sending.size)] ?? []
    if (id === undefined || send === undefined) return undefined
    send.written = true
    if (step.type === 'written') return { type: 'written', peer: send.peer, id }
    this.#sending.delete(id)
    return { type: 'sent', peer: send.peer, id, ok: step.type === 'arrived' }
  }

  #ask({ type, peer, piece, background }: Extract<Step, { type: 'request' | 'want' }>): SeederEvent {
    const id = this.#nextId++
    const isServable = type === 'request' && !background && this.#have.has(piece)
    this.#waiting.set(id, { peer, id, isServable, passed: 0 })
    if (type === 'request') return { type, peer, id, blob: BLOB, piece, background }
    const wanted = new Bitfield(PIECES)
    for (let i = piece; i < PIECES; i++) wanted.set(i)
    return { type, peer, id, blob: BLOB, wanted, background }
  }

  #forget(peer: number): void {
    for (const { id, peer: of } of [...this.#waiting.values()]) if (of === peer) this.#waiting.delete(id)
    for (const [id, send] of [...this.#sending]) if (send.peer === peer) this.#sending.delete(id)
  }

  #saw(effect: SeederEffect): void {
    const { peer, id } = effect
    assert.equal(this.#waiting.get(id)?.peer, peer, `request ${id} is answered, and does not wait`)
    this.#waiting.delete(id)
    if (effect.type === 'busy') return
    assert.ok(this.#have.has(effect.piece), `piece ${effect.piece} is sent, and is not there`)
    this.#sending.set(id, { peer, written: false })
    // a peer's own requests go one after the other; whom two sends are under way to waits for one to end
    for (const one of this.#waiting.values())
      one.passed = one.peer === peer || this.#activeOf(one.peer) >= ACTIVE ? 0 : one.passed + 1
  }

  #activeOf(peer: number): number {
    return [...this.#sending.values()].filter((send) => send.peer === peer).length
  }

  #check(): void {
    const { slots, underWay, queue } = this.#options
    const sends = [...this.#sending.values()]
    const writing = sends.filter(({ written }) => !written).length
    assert.ok(sends.length <= underWay, `${sends.length} are under way`)
    assert.ok(writing <= slots, `${writing} are written at a time`)
    for (const { peer } of sends) assert.ok(this.#activeOf(peer) <= ACTIVE, `one peer has more than ${ACTIVE}`)
    assert.equal(this.#seeder.sending, sends.length)
    assert.equal(this.#seeder.queueLength, this.#waiting.size)
    // what waits while a slot is free could not be served when it came
    assert.ok(this.#waiting.size <= queue + PEERS * (ACTIVE + PIECES), `${this.#waiting.size} are waiting`)
    const isFree = writing < slots && sends.length < underWay
    for (const { isServable, passed, peer } of this.#waiting.values()) {
      if (!isServable || this.#activeOf(peer) >= ACTIVE) continue
      assert.ok(!isFree, `peer ${peer} waits while a slot is free`)
      assert.ok(passed <= 2 * PEERS, `peer ${peer} is passed over ${passed} times`)
    }
  }
}

it('whatever is asked, peers take turns, each request has one answer, and no more is sent than may be', () => {
  const { SEED = '1', WORLDS = '500' } = process.env
  fc.assert(
    fc.property(options, fc.array(step, { maxLength: 300, size: 'max' }), (some, steps) => {
      const watched = new Watched(some)
      for (const one of steps) watched.take(one)
    }),
    { seed: Number(SEED), numRuns: Number(WORLDS) },
  )
})
