import { hashOf } from '../piece/piece-proof.ts'
import type { PartialBlob } from '../store/index.ts'
import { PrefixDigest } from './prefix-digest.ts'

interface ProofParts {
  readonly partial: PartialBlob
  /** What of it is kept may go: then a proof can be settled without all of it being here. */
  readonly isWindow: boolean
  /** Fills `target` from byte `offset` on, unchecked. */
  readonly read: (target: Uint8Array, offset: number) => Promise<void>
  /** Pieces that the disk has changed: they are missing again. */
  readonly lost: (pieces: readonly number[]) => void
}

/** The proof of one blob by its digest, attempt by attempt: it runs as pieces come, and is settled once each time. */
export class WholeProof {
  readonly #parts: ProofParts
  readonly #digest: PrefixDigest
  #proven = false
  #attempt = 0
  #ownFailures = 0
  /** The attempt whose proof has been settled. */
  #settled = -1
  #catchingUp = false

  constructor(parts: ProofParts) {
    this.#parts = parts
    this.#digest = new PrefixDigest(parts.partial.layout)
  }

  get proven(): boolean {
    return this.#proven
  }

  /** How often the whole has failed so far. */
  get attempt(): number {
    return this.#attempt
  }

  /** How often of these it was this host's own proof that failed, and not its home that said so. */
  get ownFailures(): number {
    return this.#ownFailures
  }

  /** The first piece that it has not come to. */
  get next(): number {
    return this.#digest.next
  }

  /** Whether it can be carried on now. */
  get canGoOn(): boolean {
    return this.#settled !== this.#attempt && (this.#digest.done || this.#parts.partial.have.has(this.#digest.next))
  }

  /** The blob's chain, once proven: undefined where it was proven without one. */
  get states(): Uint8Array | undefined {
    return this.#proven ? this.#digest.states : undefined
  }

  /** What proves a piece that this host has read from the origin itself: its link if its turn has come, else its hash. */
  ownProof(piece: number, bytes: Uint8Array): Uint8Array {
    return this.#digest.linkOf(piece, bytes) ?? hashOf(bytes)
  }

  /** Takes a piece that has just come, if its turn has come. */
  offer(piece: number, bytes: Uint8Array, proof: Uint8Array): void {
    this.#digest.offer(piece, bytes, proof)
  }

  /** What it has come to was wrong. */
  restart(): void {
    this.#digest.restart()
  }

  /** The whole is wrong, by this host's own proof or by another's word: the next attempt begins. */
  fail(isOwn: boolean): void {
    this.#attempt++
    if (isOwn) this.#ownFailures++
    this.#digest.restart()
  }

  /**
   * Carries it on as far as pieces are there, then settles it: 'proven', 'corrupt', or 'partial' while pieces are missing.
   * One caller at a time does the work, and one per attempt gets the verdict; the others get 'partial'.
   */
  async carryOn(scratch: Uint8Array): Promise<'proven' | 'corrupt' | 'partial'> {
    if (this.#catchingUp || this.#settled === this.#attempt) return 'partial'
    this.#catchingUp = true
    const { partial, isWindow, read } = this.#parts
    const { have } = partial
    try {
      // again when a piece came in between the last look and here: its caller was told that somebody is at work
      do {
        await this.#digest.catchUp(have, scratch, read, (piece) => partial.hash(piece))
      } while (!this.#digest.done && have.has(this.#digest.next))
      if (this.#digest.done && have.complete && !this.#digest.proven() && (await this.#blamesDisk())) return 'partial'
    } finally {
      this.#catchingUp = false
    }
    // the hash may be ahead of the disk: a piece is hashed from memory while it is being written
    if (!this.#digest.done || (!isWindow && !have.complete)) return 'partial'
    this.#settled = this.#attempt
    this.#proven = this.#digest.proven()
    return this.#proven ? 'proven' : 'corrupt'
  }

  /** After a failed digest: whether pieces have changed since they were checked. They go, and the proof begins again. */
  async #blamesDisk(): Promise<boolean> {
    const attempt = this.#attempt
    const lost = await this.#parts.partial.recheck()
    if (attempt !== this.#attempt || lost.length === 0) return attempt !== this.#attempt
    this.#digest.restart()
    this.#parts.lost(lost)
    return true
  }
}
