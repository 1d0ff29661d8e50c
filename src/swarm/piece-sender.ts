import type { ByteChannel } from './byte-channel.ts'
import { encodePieceHeader, PIECE_HEADER_BYTES } from './piece-frame.ts'

/** Pieces that may wait on one link, those being sent or on their way included. A peer asks for two at a time. */
export const MAX_QUEUED_PIECES = 16

/** The header is copied in front of this many bytes, to leave with them. */
const FIRST_WRITE_BYTES = 64 * 1024

interface Job {
  readonly id: number
  readonly piece: number
  readonly bytes: Uint8Array
  readonly signal: AbortSignal
  readonly written: (() => void) | undefined
  readonly settle: (sent: boolean) => void
}

/** Sends pieces one after another, each in slices, at the pace of the transport; each counts as sent when it arrives. */
export class PieceSender {
  #channel: ByteChannel | undefined
  readonly #waiting: Job[] = []
  #current: Job | undefined
  /** Handed over, and not taken by the peer yet. */
  readonly #underWay = new Set<Job>()
  /** Writes so far; and how far these and their bytes had got when somebody last looked. */
  #writes = 0
  #seen = ''
  #ended = false

  /** Without a channel, pieces wait for one. */
  constructor(channel?: ByteChannel) {
    this.#channel = channel
  }

  /** The next piece goes this way, and those after it; one that has begun stays where it is. */
  use(channel: ByteChannel): void {
    this.#channel = channel
    this.#startNext()
  }

  get queued(): number {
    return this.#waiting.length + (this.#current === undefined ? 0 : 1) + this.#underWay.size
  }

  get hasChannel(): boolean {
    return this.#channel !== undefined
  }

  takeStuck(): boolean {
    const progress = `${this.#writes} ${this.#channel?.pendingBytes}`
    const stuck = this.#current !== undefined && progress === this.#seen
    this.#seen = progress
    return stuck
  }

  send(id: number, piece: number, bytes: Uint8Array, signal: AbortSignal, written?: () => void): Promise<boolean> {
    if (this.#ended || signal.aborted || this.queued >= MAX_QUEUED_PIECES) return Promise.resolve(false)
    return new Promise((resolve) => {
      const onAbort = (): void => {
        const index = this.#waiting.indexOf(job)
        if (index < 0) return
        this.#waiting.splice(index, 1)
        job.settle(false)
      }
      const settle = (sent: boolean): void => {
        signal.removeEventListener('abort', onAbort)
        resolve(sent)
      }
      const job: Job = { id, piece, bytes, signal, written, settle }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(job)
      this.#startNext()
    })
  }

  /** Every piece not sent resolves to false. Idempotent. */
  end(): void {
    this.#ended = true
    for (const job of this.#waiting.splice(0)) job.settle(false)
    this.#current?.settle(false)
    for (const job of this.#underWay) job.settle(false)
    this.#underWay.clear()
  }

  #startNext(): void {
    const channel = this.#channel
    if (this.#current !== undefined || this.#ended || channel === undefined) return
    const job = this.#waiting.shift()
    if (job === undefined) return
    this.#current = job
    // Cannot reject: a write that fails returns so, it does not throw.
    void this.#sendWhole(job, channel).then((sent) => {
      this.#current = undefined
      if (sent && !this.#ended) {
        this.#awaitArrival(job, channel)
        job.written?.()
      } else job.settle(false)
      this.#startNext()
    })
  }

  /** To be called before anything else is written. */
  #awaitArrival(job: Job, channel: ByteChannel): void {
    this.#underWay.add(job)
    void channel.arrived().then((taken) => {
      this.#underWay.delete(job)
      job.settle(taken)
    })
  }

  async #sendWhole(job: Job, channel: ByteChannel): Promise<boolean> {
    const { bytes } = job
    const step = channel.sliceBytes
    let offset = Math.min(Math.min(step, FIRST_WRITE_BYTES) - PIECE_HEADER_BYTES, bytes.length)
    // Header and first bytes in one write: one record less on the wire.
    const first = Buffer.allocUnsafe(PIECE_HEADER_BYTES + offset)
    encodePieceHeader({ id: job.id, piece: job.piece, length: bytes.length }, first)
    first.set(bytes.subarray(0, offset), PIECE_HEADER_BYTES)
    let free = channel.write(first)
    this.#writes++
    while (offset < bytes.length) {
      if (!free && !(await channel.drained())) return false
      const end = Math.min(offset + step, bytes.length)
      free = channel.write(bytes.subarray(offset, end))
      this.#writes++
      offset = end
    }
    return free || (await channel.drained())
  }
}
