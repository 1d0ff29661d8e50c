import { ShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import { digestAlgorithm, digestHex } from '../oci/digest.ts'
import type { ControlMessage, MessageOf } from './interface.ts'
import { WIRE_LIMITS } from './wire-limits.ts'

/**
 * The messages that a burst sends by the thousand: a few for every piece, to every neighbour. As CBOR under a schema,
 * each cost more to write and read than to act on, so they have fixed layouts of their own: a byte that says which it
 * is, then u32 numbers and raw bytes (PROTOCOL.md has the table). The others are too rare for that to pay.
 */
export type HotMessage = MessageOf<'have' | 'request' | 'want' | 'cancel' | 'busy'>

/** The first byte. No map in CBOR begins with one of these. */
const TAGS: { readonly [T in HotMessage['type']]: number } = { have: 1, request: 2, want: 3, cancel: 4, busy: 5 }

export const HOT_MESSAGES = Object.keys(TAGS) as readonly HotMessage['type'][]

/** The first bytes up to here are kept for hot messages: a later version may give a meaning to those that have none yet. */
const RESERVED_TAGS = 0x1f
const LAST_TAG = Math.max(...Object.values(TAGS))

/** A digest is a byte for its algorithm, then the raw hash. */
const ALGORITHMS = [
  { name: 'sha256', tag: 1, hashBytes: 32 },
  { name: 'sha512', tag: 2, hashBytes: 64 },
] as const

const TAG_BYTES = 1
const FLAG_BYTES = 1
const U32_BYTES = 4
const MAX_U32 = 0xffff_ffff
const MAX_PIECE = WIRE_LIMITS.pieces - 1

export function isHotMessage(message: ControlMessage): message is HotMessage {
  return Object.hasOwn(TAGS, message.type)
}

/** The bytes of a message behind `headBytes` left free. Throws `RangeError` for more of anything than a peer would take. */
export function encodeHotMessage(message: HotMessage, headBytes: number): Buffer {
  const writer = new Writer(headBytes + sizeOf(message), headBytes, TAGS[message.type])
  switch (message.type) {
    case 'have':
      writer.digest(message.blob).u32(message.queue).list(message.pieces, WIRE_LIMITS.haves)
      break
    case 'request':
      writer.u32(message.id).digest(message.blob).u32(message.piece).flag(message.background)
      break
    case 'want':
      writer.digest(message.blob).flag(message.background).list(message.ids, WIRE_LIMITS.wants).bits(message.wanted)
      break
    case 'cancel':
      writer.u32(message.id)
      break
    case 'busy':
      writer.u32(message.id).u32(message.queue)
      break
  }
  return writer.bytes
}

/** What a body is that begins like a hot message of a later version; undefined when it does not. */
export function unknownHotMessage(body: Uint8Array): string | undefined {
  const tag = body[0] ?? 0
  return tag > LAST_TAG && tag <= RESERVED_TAGS ? `hot-${tag}` : undefined
}

/** Throws `PEER_PROTOCOL`, and nothing else, for whatever is not exactly one valid message. */
export function decodeHotMessage(body: Uint8Array): HotMessage {
  const reader = new Reader(body)
  const message = readFields(reader)
  reader.end()
  return message
}

function readFields(reader: Reader): HotMessage {
  // Properties are read in the order they are written here.
  switch (reader.byte()) {
    case TAGS.have:
      return {
        type: 'have',
        blob: reader.digest(),
        queue: reader.u32(),
        pieces: reader.list(0, WIRE_LIMITS.haves, MAX_PIECE),
      }
    case TAGS.request:
      return {
        type: 'request',
        id: reader.u32(),
        blob: reader.digest(),
        piece: reader.u32(MAX_PIECE),
        background: reader.flag(),
      }
    case TAGS.want:
      return {
        type: 'want',
        blob: reader.digest(),
        background: reader.flag(),
        ids: reader.list(1, WIRE_LIMITS.wants, MAX_U32),
        wanted: reader.bits(),
      }
    case TAGS.cancel:
      return { type: 'cancel', id: reader.u32() }
    case TAGS.busy:
      return { type: 'busy', id: reader.u32(), queue: reader.u32() }
    default:
      throw malformed('no such message')
  }
}

function sizeOf(message: HotMessage): number {
  switch (message.type) {
    case 'have':
      return TAG_BYTES + digestBytes(message.blob) + (2 + message.pieces.length) * U32_BYTES
    case 'request':
      return TAG_BYTES + digestBytes(message.blob) + 2 * U32_BYTES + FLAG_BYTES
    case 'want':
      return (
        TAG_BYTES +
        digestBytes(message.blob) +
        FLAG_BYTES +
        (2 + message.ids.length) * U32_BYTES +
        message.wanted.length
      )
    case 'cancel':
      return TAG_BYTES + U32_BYTES
    case 'busy':
      return TAG_BYTES + 2 * U32_BYTES
  }
}

function digestBytes(digest: Digest): number {
  return TAG_BYTES + algorithmOf(digest).hashBytes
}

function algorithmOf(digest: Digest): (typeof ALGORITHMS)[number] {
  const name = digestAlgorithm(digest)
  const algorithm = ALGORITHMS.find((known) => known.name === name)
  if (algorithm === undefined) throw new RangeError(`no peer takes a digest by ${name}`)
  return algorithm
}

/** Fills a buffer of the right size from front to back. */
class Writer {
  readonly bytes: Buffer
  #at: number

  constructor(sizeBytes: number, at: number, tag: number) {
    this.bytes = Buffer.allocUnsafe(sizeBytes)
    this.#at = this.bytes.writeUInt8(tag, at)
  }

  u32(value: number): this {
    this.#at = this.bytes.writeUInt32BE(value, this.#at)
    return this
  }

  flag(value: boolean): this {
    this.#at = this.bytes.writeUInt8(value ? 1 : 0, this.#at)
    return this
  }

  digest(digest: Digest): this {
    const { tag, hashBytes } = algorithmOf(digest)
    this.#at = this.bytes.writeUInt8(tag, this.#at)
    // What hex does not fill would leave as it lay in memory.
    const written = this.bytes.write(digestHex(digest), this.#at, hashBytes, 'hex')
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
    this.bytes.set(bits, this.#at)
    this.#at += bits.length
    return this
  }
}

/** Reads from front to back. A peer's counts make no room: what is read takes as much as there is of it. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(body: Uint8Array) {
    this.#bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#take(TAG_BYTES))
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
