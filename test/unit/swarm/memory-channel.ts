import type { ByteChannel, ByteReceiver } from '../../../src/swarm/byte-channel.ts'

/**
 * A byte channel within the process. Bytes are held until the test lets them pass, in chunks of its choice, so that
 * saturation and awkward cuts can be made at will.
 */
export class MemoryChannel implements ByteChannel {
  readonly sliceBytes: number
  peer: MemoryChannel | undefined
  /** Whether everything written passes at once. */
  flowing = true
  #receiver: ByteReceiver | undefined
  #written: Uint8Array[] = []
  #waiting: ((open: boolean) => void)[] = []
  #closed = false

  constructor(sliceBytes: number) {
    this.sliceBytes = sliceBytes
  }

  static pair(sliceBytes = 1024): [MemoryChannel, MemoryChannel] {
    const left = new MemoryChannel(sliceBytes)
    const right = new MemoryChannel(sliceBytes)
    left.peer = right
    right.peer = left
    return [left, right]
  }

  get pendingBytes(): number {
    return this.#written.reduce((sum, bytes) => sum + bytes.length, 0)
  }

  get closed(): boolean {
    return this.#closed
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed) return false
    this.#written.push(bytes)
    if (this.flowing) this.pass()
    return this.flowing
  }

  drained(): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false)
    if (this.#written.length === 0) return Promise.resolve(true)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  arrived(): Promise<boolean> {
    return this.drained()
  }

  open(receiver: ByteReceiver): void {
    this.#receiver = receiver
  }

  close(): void {
    if (this.#closed) return
    this.#end()
    this.peer?.remoteClosed()
  }

  /** Delivers what was written so far, in chunks of at most `chunkBytes`. */
  pass(chunkBytes = Number.POSITIVE_INFINITY): void {
    const written = this.#written
    this.#written = []
    for (const bytes of written) {
      for (let i = 0; i < bytes.length; i += chunkBytes) {
        this.peer?.receive(new Uint8Array(bytes.subarray(i, Math.min(i + chunkBytes, bytes.length))))
      }
    }
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve(true)
  }

  /** As if the peer had written this. */
  receive(chunk: Uint8Array): void {
    if (!this.#closed) this.#receiver?.data(chunk)
  }

  remoteClosed(): void {
    if (this.#closed) return
    this.#end()
    this.#receiver?.closed()
  }

  #end(): void {
    this.#closed = true
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve(false)
  }
}

/** Lets every microtask that is due run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
