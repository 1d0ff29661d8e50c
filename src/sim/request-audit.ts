import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { LeecherEffect, LeecherEvent, LeecherOptions } from '../scheduler/index.ts'
import { mostOutstanding } from '../scheduler/index.ts'

interface Open {
  readonly source: number
  readonly blob: number
  /** -1 for a want that nothing has come for. */
  piece: number
}

/**
 * Watches a leecher from outside and throws when it breaks what it promises: it never asks for what it has, never
 * twice for one piece outside the endgame, never for more than its limits, and knows what is outstanding.
 */
export class RequestAudit {
  readonly #name: string
  readonly #options: LeecherOptions
  readonly #have: ReadonlyMap<number, ReadonlyBitfield>
  /** Of the smallest that there are. */
  readonly #pieceBytes: number
  readonly #open = new Map<number, Open>()
  readonly #ranges = new Set<number>()
  /** Second requests for a piece under way, sent on purpose near the end. */
  endgameRequests = 0
  /** Wants sent, first and again. */
  wants = 0

  constructor(
    name: string,
    options: LeecherOptions,
    have: ReadonlyMap<number, ReadonlyBitfield>,
    leastPieceBytes: number,
  ) {
    this.#name = name
    this.#options = options
    this.#have = have
    this.#pieceBytes = leastPieceBytes
  }

  reset(): void {
    this.#open.clear()
    this.#ranges.clear()
  }

  /** Whether the leecher still waits for what `id` asked for. */
  isOpen(id: number): boolean {
    return this.#open.has(id)
  }

  get openCount(): number {
    return this.#open.size + this.#ranges.size
  }

  event(event: LeecherEvent): void {
    if (event.type === 'began') {
      const open = this.#open.get(event.id)
      if (open !== undefined) open.piece = event.piece
    } else if (event.type === 'failed') {
      this.#open.delete(event.id)
    } else if (event.type === 'stored' && event.id !== undefined) {
      this.#open.delete(event.id)
    } else if (event.type === 'fetchEnded') {
      this.#ranges.delete(event.range)
    }
  }

  effect(effect: LeecherEffect): void {
    switch (effect.type) {
      case 'request':
        this.#request(effect)
        break
      case 'want':
        this.#want(effect)
        break
      case 'cancel':
        if (!this.#open.delete(effect.id)) this.#fail(`cancels ${effect.id}, which is not under way`)
        break
      case 'fetch':
        this.#ranges.add(effect.range)
        for (let piece = effect.first; piece < effect.first + effect.count; piece++) this.#missing(effect.blob, piece)
        if (this.#ranges.size > this.#options.hostRanges) this.#fail('reads the origin by too many ranges')
        break
      case 'cancelFetch':
        if (!this.#ranges.delete(effect.range)) this.#fail(`cancels range ${effect.range}, which is not under way`)
    }
  }

  check(outstanding: number): void {
    const open = [...this.#open.values()].filter(({ piece }) => piece >= 0).length
    if (open !== outstanding) this.#fail(`counts ${outstanding} outstanding where ${open} are`)
  }

  #request({ id, source, blob, piece }: Extract<LeecherEffect, { type: 'request' }>): void {
    this.#missing(blob, piece)
    const have = this.#have.get(blob)!
    const atOnce = mostOutstanding(this.#options, this.#pieceBytes)
    const endgame = have.length - have.count <= atOnce
    const same = [...this.#open.values()].filter((open) => open.blob === blob && open.piece === piece)
    if (same.length > 0) this.endgameRequests++
    if (same.length > (endgame ? 1 : 0)) this.#fail(`asks ${same.length + 1} sources for piece ${piece}`)
    if (same.some((open) => open.source === source)) this.#fail(`asks one source twice for piece ${piece}`)
    this.#open.set(id, { source, blob, piece })
    const outstanding = [...this.#open.values()].filter((open) => open.piece >= 0).length
    // homes begin to send on their own account, so begun wants may add to a full house, as duplicates may
    const most = 2 * atOnce + (endgame ? atOnce : 0)
    if (outstanding > most) this.#fail(`has ${outstanding} outstanding`)
  }

  #want({ ids, source, blob, wanted }: Extract<LeecherEffect, { type: 'want' }>): void {
    this.wants++
    const have = this.#have.get(blob)!
    for (let piece = 0; piece < wanted.length; piece++) {
      if (wanted.has(piece) && have.has(piece)) this.#fail(`wants piece ${piece}, which it has`)
    }
    for (const id of ids) {
      if ((this.#open.get(id)?.piece ?? -1) >= 0) this.#fail(`wants again by ${id}, which has begun`)
      if (!this.#open.has(id)) this.#open.set(id, { source, blob, piece: -1 })
    }
  }

  #missing(blob: number, piece: number): void {
    if (this.#have.get(blob)!.has(piece)) this.#fail(`asks for piece ${piece}, which it has`)
  }

  #fail(what: string): never {
    throw new Error(`${this.#name} ${what}`)
  }
}
