import { createCipheriv, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** AES-128 in GCM, of which only the authentication is used (GMAC): a fifth of the CPU of SHA-256. */
const CIPHER = 'aes-128-gcm'
const NONCE_BYTES = 12
/** Some 200 bytes each, so 6 MiB; 32 GiB of content in pieces of 1 MiB. */
const MOST_SEALS = 32_768

/**
 * What this process has compared with a proof once, it need not hash again: a seal is a MAC of those bytes, under a key
 * that nobody else has. Bytes that have the seal of a proof are the bytes that were compared with it, wherever they were
 * meanwhile. Seals are kept by proof, so that one which outlives its piece is of no harm, and only a piece without one
 * costs its hash: the first time after a start, and when too many others were read since.
 */
export class PieceSeals {
  readonly #key = randomBytes(16)
  readonly #seals = new LRUCache<string, Buffer>({ max: MOST_SEALS })

  /** These bytes were compared with their proof just now: whole pieces only. */
  add(proof: Uint8Array, bytes: Uint8Array): void {
    this.#seals.set(nameOf(proof), this.#seal(proof, bytes))
  }

  /** Whether these are the bytes that were compared with this proof; false also when none are known to have been. */
  holds(proof: Uint8Array, bytes: Uint8Array): boolean {
    const known = this.#seals.get(nameOf(proof))
    return known?.equals(this.#seal(proof, bytes)) === true
  }

  /** No seal leaves this object, and one proof has one content: its end serves as nonce. */
  #seal(proof: Uint8Array, bytes: Uint8Array): Buffer {
    const mac = createCipheriv(CIPHER, this.#key, proof.subarray(proof.length - NONCE_BYTES))
    mac.setAAD(bytes).final()
    return mac.getAuthTag()
  }
}

function nameOf(proof: Uint8Array): string {
  return Buffer.from(proof.buffer, proof.byteOffset, proof.length).toString('latin1')
}

/** Of this process: what one store has read is known to all, and its key is nowhere else. */
export const ownSeals = new PieceSeals()
