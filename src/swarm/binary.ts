import { ShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import { digestAlgorithm, digestHex } from '../oci/digest.ts'
import { WIRE_LIMITS } from './wire-limits.ts'

/*
 * What binary layouts are made of: u32 numbers, flags of a byte, digests, lists and bits.
 */

/**
 * A layout of its own, for what a burst sends by the thousand: as CBOR under a schema these cost more to write and to read
 * than to act on. PROTOCOL.md has the fields.
 */
export interface BinaryLayout<B> {
  /** The body's first byte, 1 to 31: no map in CBOR begins with one of these. */
  readonly tag: number
  /** Throws `RangeError` for more of anything than a peer would take. */
  write(body: B, to: BinaryWriter): unknown
  /** Reads in the order of the layout. Throws `PEER_PROTOCOL`. */
  read(from: BinaryReader): B
}

export function isBinary<B>(form: BinaryLayout<B> | object): form is BinaryLayout<B> {
  return 'tag' in form
}

/** A digest is a byte for its algorithm, then the raw hash. */
const ALGORITHMS = [
  { name: 'sha256', tag: 1, hashBytes: 32 },
  { name: 'sha512', tag: 2, hashBytes: 64 },
] as const

const U32_BYTES = 4
const MAX_U32 = 0xffff_ffff
/** More than any layout takes: the longest has bits of a whole blob. */
const SCRATCH_BYTES = 64 * 1024

function algorithmOf(digest: Digest): (typeof ALGORITHMS)[number] {
  const name = digestAlgorithm(digest)
  const algorithm = ALGORITHMS.find((known) => known.name === name)
  if (algorithm === undefined) throw new RangeError(`no peer takes a digest by ${name}`)
  return algorithm
}

/** A layout's body behind `headBytes` left free and the byte that names it. Throws `RangeError` for what no peer takes. */
export function encodeBinary<B>(layout: BinaryLayout<B>, body: B, headBytes: number): Buffer {
  writer.begin(headBytes, layout.tag)
  layout.write(body, writer)
  return writer.end()
}

/** Throws `PEER_PROTOCOL`, and nothing else, for whatever is not exactly one valid body behind its first byte. */
export function decodeBinary<B>(layout: BinaryLayout<B>, bytes: Uint8Array): B {
  const reader = new BinaryReader(bytes)
  const body = layout.read(reader)
  reader.end()
  return body
}

/** Writes from front to back, one body after another into the same memory. */
class BinaryWriter {
  readonly #bytes = Buffer.alloc(SCRATCH_BYTES)
  #at = 0

  begin(at: number, tag: number): void {
    this.#at = this.#bytes.writeUInt8(tag, at)
  }

  /** A copy of what was written. */
  end(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at))
  }

  u32(value: number): this {
    this.#at = this.#bytes.writeUInt32BE(value, this.#at)
    return this
  }

  flag(value: boolean): this {
    this.#at = this.#bytes.writeUInt8(value ? 1 : 0, this.#at)
    return this
  }

  digest(digest: Digest): this {
    const { tag, hashBytes } = algorithmOf(digest)
    this.#at = this.#bytes.writeUInt8(tag, this.#at)
    // What hex does not fill would leave as it lay in memory.
    const written = this.#bytes.write(digestHex(digest), this.#at, hashBytes, 'hex')
    if (written !== hashBytes) throw new RangeError('no peer takes a digest of this length')
    this.#at += hashBytes
    return this
  }

  list(values: readonly number[], most: number): this {
    if (values.length > most) throw new RangeError(`a peer takes ${most} numbers at most, not ${values.length}`)
    this.u32(values.length)
    for (const value of values) this.u32(value)
    return this
  }

  bits(bits: Uint8Array): this {
    const most = WIRE_LIMITS.bitsBytes
    if (bits.length > most) throw new RangeError(`a peer takes ${most} bytes of bits at most, not ${bits.length}`)
    this.u32(bits.length)
    this.#bytes.set(bits, this.#at)
    this.#at += bits.length
    return this
  }
}

const writer = new BinaryWriter()

/** Reads from front to back. A peer's counts make no room: what is read takes as much as there is of it. */
class BinaryReader {
  readonly #bytes: Buffer
  /** The first byte has said which layout it is. */
  #at = 1

  constructor(body: Uint8Array) {
    this.#bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#take(1))
  }

  u32(most: number = MAX_U32): number {
    const value = this.#bytes.readUInt32BE(this.#take(U32_BYTES))
    if (value > most) throw malformed('a number too large')
    return value
  }

  flag(): boolean {
    const value = this.byte()
    if (value > 1) throw malformed('neither yes nor no')
    return value === 1
  }

  digest(): Digest {
    const tag = this.byte()
    const algorithm = ALGORITHMS.find((known) => known.tag === tag)
    if (algorithm === undefined) throw malformed('a digest by an unknown algorithm')
    const from = this.#take(algorithm.hashBytes)
    // lower-case hex of the algorithm's length: there is nothing left to check
    return `${algorithm.name}:${this.#bytes.toString('hex', from, this.#at)}` as Digest
  }

  list(least: number, most: number, mostEach: number): number[] {
    const count = this.u32(most)
    if (count < least) throw malformed('a list too short')
    const values: number[] = []
    for (let i = 0; i < count; i++) values.push(this.u32(mostEach))
    return values
  }

  /** A copy: the body may be a view of what the network read, which is used again. */
  bits(): Uint8Array {
    const length = this.u32(WIRE_LIMITS.bitsBytes)
    const from = this.#take(length)
    return new Uint8Array(this.#bytes.subarray(from, this.#at))
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw malformed('bytes after the end')
  }

  /** Where the next `count` bytes are. */
  #take(count: number): number {
    if (count > this.#bytes.length - this.#at) throw malformed('a message cut short')
    const from = this.#at
    this.#at += count
    return from
  }
}

/** Says what is wrong, not what was there: the values are a stranger's. */
function malformed(issue: string): ShoalError {
  return new ShoalError('PEER_PROTOCOL', 'a peer sent an invalid message', { details: { issue } })
}
