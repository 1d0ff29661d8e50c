import type { ReadonlyBitfield } from '../../../src/piece/bitfield.ts'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import type {
  DownloadSpec,
  LeecherEffect,
  LeecherEvent,
  LeecherOptions,
  SourceKind,
} from '../../../src/scheduler/index.ts'
import { DEFAULT_LEECHER, Leecher } from '../../../src/scheduler/index.ts'

type Effect<T extends LeecherEffect['type']> = Extract<LeecherEffect, { type: T }>

export function bits(length: number, indexes: Iterable<number>): Bitfield {
  const field = new Bitfield(length)
  for (const index of indexes) field.set(index)
  return field
}

export function indexes(field: { readonly length: number; has(index: number): boolean }): number[] {
  return Array.from({ length: field.length }, (_, i) => i).filter((i) => field.has(i))
}

export function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i)
}

/** A leecher with time in hand: feeds events, keeps the effects since the last look. */
export class LeecherDriver {
  readonly leecher: Leecher
  now = 1_000
  effects: LeecherEffect[] = []

  constructor(options: Partial<LeecherOptions> = {}) {
    // its pieces of a byte stand for large ones
    this.leecher = new Leecher({ ...DEFAULT_LEECHER, smallOutstanding: 0, ...options })
  }

  on(event: LeecherEvent): this {
    this.leecher.on(event, this.now, this.effects)
    return this
  }

  /** Lets time go by in ticks of the daemon's length. */
  pass(ms: number): this {
    for (const end = this.now + ms; this.now < end; ) {
      this.now = Math.min(end, this.now + 100)
      this.on({ type: 'tick' })
    }
    return this
  }

  add(pieces: number, spec: Partial<DownloadSpec> = {}, blob: number = 1): this {
    const defaults = { pieces, pieceBytes: 1, have: new Bitfield(pieces), order: 0, window: undefined, swarm: true }
    this.on({ type: 'blobAdded', blob, spec: { ...defaults, ...spec } })
    return this
  }

  hashes(count: number, first: number = 0, blob: number = 1): this {
    return this.on({ type: 'hashesKnown', blob, first, count })
  }

  join(source: number, kind: SourceKind, distance: number = 0, blob: number = 1): this {
    return this.on({ type: 'sourceJoined', source, blob, kind, distance })
  }

  /** A neighbour and what it has. */
  peer(source: number, has: Bitfield, options: { blob?: number; queue?: number; distance?: number } = {}): this {
    const { blob = 1, queue = 0, distance = 0 } = options
    this.join(source, 'peer', distance, blob)
    return this.on({ type: 'sourceBits', source, blob, bits: has, queue })
  }

  stored(piece: number, id: number | undefined, blob: number = 1): this {
    return this.on({ type: 'stored', blob, piece, id })
  }

  /** Everything that has been wanted since the last look, id by id, as a home takes it. */
  takeWants(): {
    readonly id: number
    readonly source: number
    readonly blob: number
    readonly wanted: ReadonlyBitfield
  }[] {
    return this.take('want').flatMap(({ ids, ...want }) => ids.map((id) => ({ ...want, id })))
  }

  /** The effects of a type since the last `take` or `clear`. */
  seen<T extends LeecherEffect['type']>(type: T): Effect<T>[] {
    return this.effects.filter((effect): effect is Effect<T> => effect.type === type)
  }

  /** Like `seen`, and forgets all effects. */
  take<T extends LeecherEffect['type']>(type: T): Effect<T>[] {
    const found = this.seen(type)
    this.effects = []
    return found
  }

  clear(): this {
    this.effects = []
    return this
  }
}
