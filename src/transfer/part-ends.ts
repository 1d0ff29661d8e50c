/** Where this many parts ended is remembered: more than clients read side by side. */
const MOST = 64

/**
 * Where parts of one blob that were read lately ended. One that begins there goes on with what another left: whoever reads
 * like that reads it all, by ranges with both ends named, and is helped by what comes ahead of it.
 */
export class PartEnds {
  /** The oldest first. */
  readonly #ends = new Set<number>()

  /** Whether a part that begins here would go on. */
  has(start: number): boolean {
    return this.#ends.has(start)
  }

  /** A part is read. Whether it goes on where another ended. */
  goesOn(start: number, end: number): boolean {
    const goesOn = this.#ends.delete(start)
    this.#ends.add(end)
    const [oldest] = this.#ends
    if (this.#ends.size > MOST && oldest !== undefined) this.#ends.delete(oldest)
    return goesOn
  }
}
