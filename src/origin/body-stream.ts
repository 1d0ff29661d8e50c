import type { Readable } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'

export interface BodyOptions {
  readonly clock: Clock
  readonly stallMs: number
  readonly signal: AbortSignal
  /** Who sends this, for errors: no secrets, no query. */
  readonly place: string
}

/**
 * A response body as chunks. Leaving the loop early or aborting destroys the socket; a body that stalls or breaks off
 * throws `ORIGIN_UNREACHABLE`. Aborting works even if the chunks are never asked for.
 */
export function bodyChunks(body: Readable, options: BodyOptions): AsyncIterable<Uint8Array> {
  const { signal } = options
  // Whoever reads sees the error in the loop; without a listener, one nobody reads for would end the process.
  body.on('error', () => {})
  const onAbort = (): void => void body.destroy(new Error('aborted'))
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  body.once('close', () => signal.removeEventListener('abort', onAbort))
  return watchedChunks(body, options)
}

async function* watchedChunks(body: Readable, { clock, stallMs, signal, place }: BodyOptions) {
  const watch = new StallWatch(clock, stallMs, () => body.destroy(new Error('stalled')))
  const chunks: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]()
  try {
    for (;;) {
      watch.begin()
      const next = await chunks.next()
      watch.end()
      signal.throwIfAborted()
      if (next.done === true) return
      yield next.value
    }
  } catch (cause) {
    signal.throwIfAborted()
    const what = watch.stalled ? `sent nothing for ${stallMs} ms` : 'broke off in the middle of a body'
    throw new ShoalError('ORIGIN_UNREACHABLE', `${place} ${what}`, { cause })
  } finally {
    watch[Symbol.dispose]()
    if (!body.readableEnded) body.destroy()
  }
}

/** One timer for a whole body, not one per chunk: it looks every half interval whether a wait has become too long. */
class StallWatch implements Disposable {
  readonly #clock: Clock
  readonly #stallMs: number
  readonly #onStall: () => void
  #timer: Disposable
  #waitingSince: number | undefined
  stalled = false

  constructor(clock: Clock, stallMs: number, onStall: () => void) {
    this.#clock = clock
    this.#stallMs = stallMs
    this.#onStall = onStall
    this.#timer = this.#next()
  }

  begin(): void {
    this.#waitingSince = this.#clock.now()
  }

  end(): void {
    this.#waitingSince = undefined
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]()
  }

  #next(): Disposable {
    return this.#clock.after(this.#stallMs / 2, () => {
      this.stalled = this.#waitingSince !== undefined && this.#clock.now() - this.#waitingSince >= this.#stallMs
      if (this.stalled) this.#onStall()
      else this.#timer = this.#next()
    })
  }
}

/** Of `chunks`, the `length` bytes after the first `skip`: all of them, or `ORIGIN_UNREACHABLE`. */
export async function* exactBytes(
  chunks: AsyncIterable<Uint8Array>,
  { skip, length, place }: { readonly skip: number; readonly length: number; readonly place: string },
): AsyncIterable<Uint8Array> {
  let toSkip = skip
  let left = length
  try {
    for await (const chunk of chunks) {
      const begin = Math.min(toSkip, chunk.length)
      toSkip -= begin
      const part = chunk.subarray(begin, Math.min(chunk.length, begin + left))
      left -= part.length
      if (part.length > 0) yield part
      // Reading on to the end frees the connection for the next request; reading a surplus would not.
      if (begin + part.length < chunk.length) return
    }
  } catch (error) {
    if (left > 0) throw error
  }
  if (left > 0) throw new ShoalError('ORIGIN_UNREACHABLE', `${place} ended a body ${left} bytes too early`)
}

/** All of `chunks`, or 'too large' as soon as there are more than `maxBytes`. */
export async function collect(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array | 'too large'> {
  const parts: Uint8Array[] = []
  let total = 0
  for await (const chunk of chunks) {
    total += chunk.length
    if (total > maxBytes) return 'too large'
    parts.push(chunk)
  }
  return Buffer.concat(parts, total)
}

/** No bytes: what a read of an empty range yields. */
export async function* noBytes(): AsyncIterable<Uint8Array> {}
