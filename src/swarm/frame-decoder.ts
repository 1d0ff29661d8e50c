import { ShoalError } from '../base/errors.ts'

/** In front of every frame. */
export const LENGTH_BYTES = 4
/** A frame that trickles in gets this much at first, then doubles: what a peer makes us hold is what it has sent. */
const FIRST_BUFFER_BYTES = 4 * 1024

/**
 * Cuts a stream into length-prefixed frames. A frame that arrives in one chunk is a view of it; others are gathered in
 * a buffer that doubles, so that every byte is copied at most twice, however small the chunks are. What is handed out
 * is good until the next one is asked for. Between frames it holds nothing; memory that is let go of is free at once
 * and not when it is collected, which with large buffers and few objects may be much later.
 */
export class FrameDecoder {
  readonly #head = new Uint8Array(LENGTH_BYTES)
  #headFilled = 0
  /** Bytes of the current frame's body; -1 between frames. */
  #length = -1
  #body = new Uint8Array(0)
  #filled = 0
  #limitBytes: number

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** What is held of a frame that is not whole. */
  get heldBytes(): number {
    return this.#body.length
  }

  /** From the next frame on, bodies may be this long. */
  setLimit(limitBytes: number): void {
    this.#limitBytes = limitBytes
  }

  /** The frames that `chunk` completes, one at a time. Throws `PEER_PROTOCOL` for an empty or too long frame. */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, void> {
    let offset = 0
    while (offset < chunk.length) {
      if (this.#length < 0) {
        offset += this.#readHead(chunk, offset)
        continue
      }
      const take = Math.min(this.#length - this.#filled, chunk.length - offset)
      const part = chunk.subarray(offset, offset + take)
      offset += take
      const whole = this.#filled === 0 && take === this.#length ? part : this.#gather(part)
      if (whole !== undefined) {
        const gathered = this.#body
        this.#reset()
        yield whole
        free(gathered)
      }
    }
  }

  #readHead(chunk: Uint8Array, offset: number): number {
    const take = Math.min(LENGTH_BYTES - this.#headFilled, chunk.length - offset)
    this.#head.set(chunk.subarray(offset, offset + take), this.#headFilled)
    this.#headFilled += take
    if (this.#headFilled === LENGTH_BYTES) {
      const length = new DataView(this.#head.buffer).getUint32(0)
      if (length === 0 || length > this.#limitBytes) {
        throw new ShoalError('PEER_PROTOCOL', 'a peer sent a frame of a length that is not allowed', {
          details: { length },
        })
      }
      this.#length = length
    }
    return take
  }

  #gather(part: Uint8Array): Uint8Array | undefined {
    const needed = this.#filled + part.length
    if (needed > this.#body.length) {
      const size = Math.min(this.#length, Math.max(needed, this.#body.length * 2, FIRST_BUFFER_BYTES))
      this.#body = new Uint8Array(this.#body.buffer.transfer(size))
    }
    this.#body.set(part, this.#filled)
    this.#filled = needed
    return this.#filled === this.#length ? this.#body.subarray(0, this.#length) : undefined
  }

  /** Lets go of it: nothing will be read any more. */
  drop(): void {
    const body = this.#body
    this.#body = new Uint8Array(0)
    this.#filled = 0
    free(body)
  }

  #reset(): void {
    this.#headFilled = 0
    this.#length = -1
    this.#body = new Uint8Array(0)
    this.#filled = 0
  }
}

function free(bytes: Uint8Array<ArrayBuffer>): void {
  if (!bytes.buffer.detached) bytes.buffer.transfer(0)
}
