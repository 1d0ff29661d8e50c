/** A running hash over what happened when: two runs that differ in anything differ in it. */
export class TraceHash {
  #a = 0x811c9dc5
  #b = 0x9747b28c
  readonly #bytes = new DataView(new ArrayBuffer(8))

  add(atMs: number, what: number, who: number): void {
    this.#bytes.setFloat64(0, atMs)
    this.#mix(this.#bytes.getInt32(0))
    this.#mix(this.#bytes.getInt32(4))
    this.#mix(what)
    this.#mix(who)
  }

  /** 64 bits, in hexadecimal. */
  get value(): string {
    return [this.#a, this.#b].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
  }

  #mix(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193)
    this.#a ^= this.#a >>> 15
    this.#b = Math.imul(this.#b ^ word, 0x85ebca6b)
    this.#b ^= this.#b >>> 13
  }
}
