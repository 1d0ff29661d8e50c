import { ShoalError } from '../base/errors.ts'

/** What holding a chunk costs besides its bytes: many small ones must not cost more than they seem to. */
const CHUNK_OVERHEAD_BYTES = 128

/** Bytes wait before it, in order, until it is opened; from then on they pass. */
export class ByteGate {
  readonly #limitBytes: number
  readonly #pass: (bytes: Uint8Array) => void
  #held: Uint8Array[] | undefined = []
  #heldBytes = 0

  constructor(limitBytes: number, pass: (bytes: Uint8Array) => void) {
    this.#limitBytes = limitBytes
    this.#pass = pass
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Throws `PEER_PROTOCOL` when more waits than may. The caller may overwrite `bytes` afterwards. */
  push(bytes: Uint8Array): void {
    if (this.#held === undefined) {
      this.#pass(bytes)
      return
    }
    this.#heldBytes += bytes.length + CHUNK_OVERHEAD_BYTES
    if (this.#heldBytes > this.#limitBytes) {
      throw new ShoalError('PEER_PROTOCOL', 'a peer sent too much ahead of its turn')
    }
    this.#held.push(new Uint8Array(bytes))
  }

  /** To be called once. */
  open(): void {
    // What is pushed meanwhile waits behind the others.
    for (const bytes of this.#held ?? []) this.#pass(bytes)
    this.#held = undefined
    this.#heldBytes = 0
  }
}
