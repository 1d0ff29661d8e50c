import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Digest } from '../oci/digest.ts'

/** What was seen of a blob's readers counts for this long. */
const REMEMBERED_MS = 30_000
const MOST_BLOBS = 256
const MOST_STARTS = 4096
/** Nobody's chunks are smaller. */
const CHUNK_LEAST_BYTES = 64 * 1024
/** What is written at a time: a client that leaves is noticed between two. */
const STEP_BYTES = 256 * 1024
/** A first reader gets this much, and then its siblings have this long to come. */
const FIRST_BYTES = 1024 * 1024
const SIBLINGS_MS = 30
/** A client that has what it wanted has left by then. */
const LEAVES_MS = 250
const TRIED_FIRST_BYTES = 64 * 1024
/** One that has taken this much of what was not meant for it reads on. */
const READS_ON_BYTES = 1024 * 1024

/** How far an open-ended range is written, and when. */
export interface Pace {
  /** Waits until more may be written from byte `offset` on, and resolves with how many of `wanted`. Rejects with the signal's reason. */
  room(offset: number, wanted: number, signal: AbortSignal): Promise<number>
}

/**
 * containerd fetches a layer by open-ended ranges, `bytes=N-`, at the places where its chunks begin, reads its chunk of each
 * and leaves. What is written beyond the chunk lies in the buffers of sockets and is thrown away: as much again as was
 * wanted. Nothing says how long a chunk is, but where the next one begins: there the writing pauses for as long as a client
 * needs to leave, and then goes on by steps that double, in case this one does read on.
 */
export class ParallelReads {
  readonly #clock: Clock
  /** Where open-ended ranges of each blob have begun lately. */
  readonly #starts: ExpiringMap<Starts>

  constructor(clock: Clock) {
    this.#clock = clock
    this.#starts = new ExpiringMap(clock, MOST_BLOBS)
  }

  /** An open-ended range of a blob begins at byte `start`. */
  begin(digest: Digest, start: number): Pace {
    const starts = this.#starts.get(digest) ?? new Starts()
    starts.add(start)
    this.#starts.set(digest, starts, REMEMBERED_MS)
    return new ChunkPace(this.#clock, starts, start)
  }
}

class ChunkPace implements Pace {
  readonly #clock: Clock
  readonly #starts: Starts
  readonly #start: number
  #hasWaited = false
  #tried = 0

  constructor(clock: Clock, starts: Starts, start: number) {
    this.#clock = clock
    this.#starts = starts
    this.#start = start
  }

  async room(offset: number, wanted: number, signal: AbortSignal): Promise<number> {
    const most = Math.min(wanted, STEP_BYTES)
    const end = this.#starts.chunkEnd(this.#start)
    if (end === undefined) {
      // only the first of a parallel fetch, and a client that resumes, is alone
      if (this.#start === 0 && !this.#hasWaited && offset >= FIRST_BYTES) {
        this.#hasWaited = true
        await sleep(this.#clock, SIBLINGS_MS, signal)
        return this.room(offset, wanted, signal)
      }
      return most
    }
    if (offset < end) return Math.min(most, end - offset)
    if (this.#tried >= READS_ON_BYTES) return most
    await sleep(this.#clock, LEAVES_MS, signal)
    const step = Math.min(wanted, Math.max(TRIED_FIRST_BYTES, this.#tried))
    this.#tried += step
    return step
  }
}

/** Where open-ended ranges of one blob have begun, and what that says of their chunks. */
export class Starts {
  /** Ascending. */
  readonly #at: number[] = []
  /** The shortest way from one to the next. */
  #least = Number.POSITIVE_INFINITY

  add(start: number): void {
    const i = this.#firstFrom(start)
    if (this.#at[i] === start || this.#at.length === MOST_STARTS) return
    for (const bytes of [
      start - (this.#at[i - 1] ?? Number.NEGATIVE_INFINITY),
      (this.#at[i] ?? Number.POSITIVE_INFINITY) - start,
    ]) {
      if (bytes >= CHUNK_LEAST_BYTES) this.#least = Math.min(this.#least, bytes)
    }
    this.#at.splice(i, 0, start)
  }

  /** Where the chunk that begins at `start` ends: at the next one or, of the last, after as many bytes as others have. */
  chunkEnd(start: number): number | undefined {
    if (this.#least === Number.POSITIVE_INFINITY) return undefined
    const next = this.#at[this.#firstFrom(start + CHUNK_LEAST_BYTES)]
    return Math.min(next ?? Number.POSITIVE_INFINITY, start + this.#least)
  }

  /** The index of the first that is not before `offset`. */
  #firstFrom(offset: number): number {
    let [low, high] = [0, this.#at.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#at[middle]! < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
