interface Batch {
  pieces: number[]
  /** This many go together without waiting for the quiet time. */
  most: number
  /** Counts what has been handed on: whose quiet time this is. */
  turn: number
}

/** News to hand on now. When its quiet time has passed, `due` is called with its turn. */
export interface HandedOn {
  readonly pieces: readonly number[]
  readonly turn: number
}

/**
 * Gathers piece numbers per blob: the first goes at once, as all that comes later waits for it; after that those that come
 * within the quiet time go together, when it has passed or many have gathered: two at first, then twice as many each time,
 * up to `most`, since a swarm that begins waits for each. Knows no time: whoever owns it says when that has passed.
 */
export class Batches {
  readonly #most: number
  readonly #batches = new Map<number, Batch>()
  #turns = 0

  constructor(most: number) {
    this.#most = most
  }

  add(blob: number, piece: number): HandedOn | undefined {
    const batch = this.#batches.get(blob)
    if (batch === undefined) {
      this.#batches.set(blob, { pieces: [piece], most: 1, turn: 0 })
      return this.flush(blob)
    }
    batch.pieces.push(piece)
    return batch.pieces.length >= batch.most ? this.flush(blob) : undefined
  }

  /** What has gathered goes now. */
  flush(blob: number): HandedOn | undefined {
    const batch = this.#batches.get(blob)
    if (batch === undefined || batch.pieces.length === 0) return undefined
    const { pieces } = batch
    batch.pieces = []
    batch.most = Math.min(this.#most, 2 * batch.most)
    batch.turn = ++this.#turns
    return { pieces, turn: batch.turn }
  }

  /** The quiet time of a turn has passed; of one that another has followed meanwhile, nothing comes. */
  due(blob: number, turn: number): HandedOn | undefined {
    const batch = this.#batches.get(blob)
    if (batch?.turn !== turn) return undefined
    if (batch.pieces.length > 0) return this.flush(blob)
    this.#batches.delete(blob)
    return undefined
  }

  drop(blob: number): void {
    this.#batches.delete(blob)
  }
}

/** Ascending runs of consecutive numbers. */
export function runsOf(pieces: readonly number[]): { first: number; count: number }[] {
  const runs: { first: number; count: number }[] = []
  for (const piece of [...pieces].sort((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last !== undefined && last.first + last.count === piece) last.count++
    else runs.push({ first: piece, count: 1 })
  }
  return runs
}
