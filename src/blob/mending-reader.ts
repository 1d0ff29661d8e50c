import { isShoalError } from '../base/errors.ts'
import type { Outcome } from '../base/outcome.ts'
import { isRefused } from '../base/outcome.ts'
import type { BlobReader, ContentSource, ReadRange } from './interface.ts'

/** What the disk may do to a reader. */
const OF_THE_DISK = ['STORE_CORRUPT', 'STORE_DISK_FULL', 'STORE_FAILED'] as const

/** A disk that changes what it is given again and again is given up. */
const MOST_MENDS = 8

/** Finds the blob again, other than where `cause` was met, to be read from byte `start` on. */
export type Reopen = (cause: unknown, start: number, signal: AbortSignal) => Promise<Outcome<BlobReader>>

/**
 * A reader that outlives the disk: when a piece turns out damaged, a read fails or does not return, or there is no more room
 * for what is still to come, it goes on at the same byte with the blob as it is to be had otherwise.
 */
export class MendingReader implements BlobReader {
  readonly size: number
  readonly source: ContentSource
  readonly #reopen: Reopen
  #current: BlobReader

  constructor(first: BlobReader, reopen: Reopen) {
    this.#current = first
    this.#reopen = reopen
    this.size = first.size
    this.source = first.source
  }

  async *read({ start, end, isPart }: ReadRange, signal: AbortSignal): AsyncIterable<Uint8Array> {
    let offset = start
    for (let mends = 0; offset < end; mends++) {
      try {
        for await (const chunk of this.#current.read({ start: offset, end, isPart }, signal)) {
          yield chunk
          offset += chunk.length
        }
        return
      } catch (error) {
        signal.throwIfAborted()
        if (!isShoalError(error, ...OF_THE_DISK) || mends === MOST_MENDS) throw error
        await this.#replace(error, offset, signal)
      }
    }
  }

  resumable(start: number): boolean {
    return this.#current.resumable(start)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#current[Symbol.asyncDispose]()
  }

  async #replace(cause: unknown, start: number, signal: AbortSignal): Promise<void> {
    const outcome = await this.#reopen(cause, start, signal)
    if (isRefused(outcome)) throw cause
    const before = this.#current
    this.#current = outcome
    await before[Symbol.asyncDispose]()
  }
}
