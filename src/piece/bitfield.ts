/** Read-only view of a set of piece indexes in [0, length). */
export interface ReadonlyBitfield {
  readonly length: number
  /** How many bits are set. */
  readonly count: number
  readonly complete: boolean
  has(index: number): boolean
  /** 32 bits from `word * 32`, bit i of the result being index `word * 32 + i`. */
  word(word: number): number
  readonly words: number
  toBytes(): Uint8Array
}

/** A set of piece indexes over 32-bit words; every operation outside [0, length) is ignored or returns false. */
export class Bitfield implements ReadonlyBitfield {
  readonly length: number
  readonly #words: Uint32Array
  #count = 0

  constructor(length: number) {
    this.length = length
    this.#words = new Uint32Array(Math.ceil(length / 32))
  }

  /** All of [0, length). */
  static full(length: number): Bitfield {
    const field = new Bitfield(length)
    field.#words.fill(-1)
    if ((length & 31) !== 0) field.#words[field.#words.length - 1] = (1 << (length & 31)) - 1
    field.#count = length
    return field
  }

  /** A copy of any view. */
  static copyOf(bits: ReadonlyBitfield): Bitfield {
    const field = new Bitfield(bits.length)
    for (let word = 0; word < bits.words; word++) field.#words[word] = bits.word(word)
    field.#count = bits.count
    return field
  }

  /**
   * From the wire form: ceil(length / 8) bytes, index i at bit (i mod 8) of byte i / 8. Undefined when the number of
   * bytes is another, or a bit beyond `length` is set.
   */
  static fromBytes(length: number, bytes: Uint8Array): Bitfield | undefined {
    if (bytes.length !== Math.ceil(length / 8)) return undefined
    const beyond = length & 7
    if (beyond !== 0 && bytes.at(-1)! >> beyond !== 0) return undefined
    const field = new Bitfield(length)
    for (let i = 0; i < bytes.length; i++) field.#words[i >> 2]! |= bytes[i]! << ((i & 3) * 8)
    for (const word of field.#words) field.#count += ones(word)
    return field
  }

  get count(): number {
    return this.#count
  }

  get complete(): boolean {
    return this.#count === this.length
  }

  get words(): number {
    return this.#words.length
  }

  word(word: number): number {
    return this.#words[word] ?? 0
  }

  has(index: number): boolean {
    return index >= 0 && index < this.length && (this.#words[index >>> 5]! & (1 << (index & 31))) !== 0
  }

  /** Sets `index`; returns whether it was clear before. */
  set(index: number): boolean {
    if (index < 0 || index >= this.length || this.has(index)) return false
    this.#words[index >>> 5]! |= 1 << (index & 31)
    this.#count++
    return true
  }

  /** Clears `index`; returns whether it was set before. */
  clear(index: number): boolean {
    if (index < 0 || index >= this.length || !this.has(index)) return false
    this.#words[index >>> 5]! &= ~(1 << (index & 31))
    this.#count--
    return true
  }

  clearAll(): void {
    this.#words.fill(0)
    this.#count = 0
  }

  copy(): Bitfield {
    const field = new Bitfield(this.length)
    field.#words.set(this.#words)
    field.#count = this.#count
    return field
  }

  toBytes(): Uint8Array {
    const bytes = new Uint8Array(Math.ceil(this.length / 8))
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.#words[i >> 2]! >>> ((i & 3) * 8)
    return bytes
  }
}

/** How many bits of a 32-bit word are set (Hacker's Delight 5-2). */
function ones(word: number): number {
  let sum = word - ((word >>> 1) & 0x5555_5555)
  sum = (sum & 0x3333_3333) + ((sum >>> 2) & 0x3333_3333)
  return (((sum + (sum >>> 4)) & 0x0f0f_0f0f) * 0x0101_0101) >>> 24
}

/** The indexes in `field`, ascending; changes made meanwhile may or may not be seen. */
export function* setBits(field: ReadonlyBitfield): Generator<number> {
  for (let word = 0; word < field.words; word++) {
    let bits = field.word(word)
    while (bits !== 0) {
      yield word * 32 + 31 - Math.clz32(bits & -bits)
      bits &= bits - 1
    }
  }
}

/** The first index at or after `from` that is not in `field`; its length when there is none. */
export function firstMissing(field: ReadonlyBitfield, from: number): number {
  for (let i = from; i < field.length; i++) if (!field.has(i)) return i
  return field.length
}

export function sameBits(a: ReadonlyBitfield, b: ReadonlyBitfield): boolean {
  if (a.length !== b.length || a.count !== b.count) return false
  for (let word = 0; word < a.words; word++) if (a.word(word) !== b.word(word)) return false
  return true
}
