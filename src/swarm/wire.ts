import type { DecodeOptions } from 'cborg'
import { decode, encode } from 'cborg'
import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { LENGTH_BYTES } from './frame-decoder.ts'
import { decodeHotMessage, encodeHotMessage, HOT_MESSAGES, isHotMessage, unknownHotMessage } from './hot-messages.ts'
import type { CallArguments, CallName, CallResults, ControlMessage, Role } from './interface.ts'
import type { TlsOffer } from './tls-ticket.ts'
import { MAX_FRAME_BYTES, WIRE_LIMITS } from './wire-limits.ts'
import { callArguments, callResults, coldMessages } from './wire-messages.ts'
import {
  addresses,
  bytes,
  certificate,
  epochMs,
  exactBytes,
  fingerprint,
  ipAddress,
  label,
  spoken,
  tlsOffer,
  u32,
  wireName,
} from './wire-types.ts'

/** Why a side ends a handshake. The only thing a stranger is told. */
export const BYE_REASONS = ['stranger', 'version', 'role', 'banned', 'full', 'duplicate', 'self', 'closing'] as const
export type ByeReason = (typeof BYE_REASONS)[number]

/** The first frame each way: enough to prove membership, and nothing else. */
export interface HelloFrame {
  readonly frame: 'hello'
  readonly version: number
  /** The oldest and the newest version the sender speaks; when absent, `version` is the only one. */
  readonly min?: number | undefined
  readonly max?: number | undefined
  readonly proof: Uint8Array
}

/** The second frame each way, sent to proven members only. */
export interface AboutFrame {
  readonly frame: 'about'
  readonly role: Role
  /** Present for caches: the fleet's signature over this peer and region. */
  readonly roleProof?: Uint8Array | undefined
  readonly region: string
  readonly zone: string | null
  readonly addresses: readonly string[]
  /** For people who read logs; nothing depends on it. */
  readonly software: string
  /** Absent when the sender wants no TLS. */
  readonly tls?: TlsOffer | undefined
  /** The address the sender sees the receiver come from: only who was dialled knows. */
  readonly observed?: string | undefined
  /** Of a cache that an authority has certified (DER); with `proof`, its key's signature over both peers. */
  readonly certificate?: Uint8Array | undefined
  readonly proof?: Uint8Array | undefined
  /** The revocation lists the sender has. Absent when it wants none. */
  readonly revocations?: readonly IssuedList[] | undefined
  /** What the cache keys are called whose signatures the sender believes. */
  readonly cacheKeys?: readonly string[] | undefined
  /** What the sender ranks by as a home. */
  readonly rank?: string | undefined
  /** What the sender understands (speech.ts). Absent in hosts from before it was said. */
  readonly speaks?: readonly string[] | undefined
}

/** A revocation list by its authority's fingerprint and the time it was issued (epoch ms). */
export interface IssuedList {
  readonly authority: string
  readonly issuedAtMs: number
}

export type CallFrame = {
  [N in CallName]: { readonly frame: 'call'; readonly id: number; readonly name: N; readonly args: CallArguments[N] }
}[CallName]

/** What a later version may send by mistake or on purpose, and this one only counts. Never sent. */
export interface UnknownFrame {
  readonly frame: 'unknown'
  readonly kind: 'frame' | 'message' | 'call'
  readonly name: string
  /** Of a call: it is refused. */
  readonly id?: number
}

/** What a control stream delivers. */
export type ReceivedFrame = Frame | UnknownFrame

/** Everything a control stream carries: PROTOCOL.md. */
export type Frame =
  | HelloFrame
  | AboutFrame
  /** `clone`: another host with the identity of this one is linked, and both are alive. */
  | { readonly frame: 'bye'; readonly reason: ByeReason; readonly clone?: boolean | undefined }
  | { readonly frame: 'ping' }
  /** The last frame on this stream: the sender's others follow on its TLS connection. */
  | { readonly frame: 'moved' }
  | { readonly frame: 'message'; readonly message: ControlMessage }
  | CallFrame
  /** The asker no longer wants the answer. */
  | { readonly frame: 'abandon'; readonly id: number }
  /** The result is checked once it is known which call it answers. */
  | { readonly frame: 'answer'; readonly id: number; readonly result: unknown }

const schemas: {
  readonly [F in Exclude<Frame['frame'], 'message' | 'call'>]: z.ZodType<Extract<Frame, { frame: F }>>
} = {
  hello: z.object({
    frame: z.literal('hello'),
    version: u32,
    min: u32.optional(),
    max: u32.optional(),
    proof: bytes(64),
  }),
  about: z.object({
    frame: z.literal('about'),
    role: z.enum(['agent', 'cache']),
    roleProof: bytes(64).optional(),
    region: label,
    zone: label.nullable(),
    addresses,
    software: label,
    tls: tlsOffer.optional(),
    observed: ipAddress.optional(),
    certificate: certificate.optional(),
    proof: exactBytes(64).optional(),
    revocations: z
      .array(z.object({ authority: fingerprint, issuedAtMs: epochMs }))
      .max(WIRE_LIMITS.revocations)
      .optional(),
    cacheKeys: z.array(label).max(WIRE_LIMITS.cacheKeys).optional(),
    rank: label.optional(),
    speaks: spoken.optional(),
  }),
  bye: z.object({ frame: z.literal('bye'), reason: z.enum(BYE_REASONS), clone: z.boolean().optional() }),
  ping: z.object({ frame: z.literal('ping') }),
  moved: z.object({ frame: z.literal('moved') }),
  abandon: z.object({ frame: z.literal('abandon'), id: u32 }),
  answer: z.object({ frame: z.literal('answer'), id: u32, result: z.unknown() }),
}

const head = z.object({ frame: wireName })
const messageHead = z.object({ message: z.looseObject({ type: wireName }) })
const callHead = z.object({ id: u32, name: wireName, args: z.unknown().optional() })

/** The major type that the first byte of a map begins with: RFC 8949 section 3.1. */
const CBOR_MAP = 5

// RFC 8949's deterministic subset: one encoding per value, no tags, no indefinite lengths, nothing JSON lacks but bytes.
const STRICT: DecodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
}

/** The frame with its length in front. Throws `RangeError` when it is larger than a peer would take. */
export function encodeFrame(frame: Frame): Uint8Array {
  const framed =
    frame.frame === 'message' && isHotMessage(frame.message)
      ? encodeHotMessage(frame.message, LENGTH_BYTES)
      : encodeCbor(frame)
  framed.writeUInt32BE(framed.length - LENGTH_BYTES)
  return framed
}

/** Leaves room for the length. */
function encodeCbor(frame: Frame): Buffer {
  const body = encode(frame, { ignoreUndefinedProperties: true })
  if (body.length > MAX_FRAME_BYTES) throw new RangeError(`a ${frame.frame} frame of ${body.length} bytes is too large`)
  const framed = Buffer.allocUnsafe(LENGTH_BYTES + body.length)
  framed.set(body, LENGTH_BYTES)
  return framed
}

/**
 * A frame without its length. Throws `PEER_PROTOCOL`, and nothing else, for whatever is not a valid frame; what only a
 * later version can have named is `unknown`.
 */
export function decodeFrame(body: Uint8Array): ReceivedFrame {
  if ((body[0] ?? 0) >> 5 === CBOR_MAP) return knownFrame(decodeCbor(body))
  const name = unknownHotMessage(body)
  if (name !== undefined) return { frame: 'unknown', kind: 'message', name }
  return { frame: 'message', message: decodeHotMessage(body) }
}

function decodeCbor(body: Uint8Array): unknown {
  // cborg copies byte strings out of a plain Uint8Array, but only aliases a Buffer.
  const plain = new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
  try {
    return decode(plain, STRICT)
  } catch (cause) {
    throw new ShoalError('PEER_PROTOCOL', 'a peer sent a frame that is not strict CBOR', { cause })
  }
}

function knownFrame(value: unknown): ReceivedFrame {
  const { frame } = parse('frame', head, value)
  if (frame === 'message') return knownMessage(value)
  if (frame === 'call') return knownCall(value)
  if (!isKeyOf(schemas, frame)) return { frame: 'unknown', kind: 'frame', name: frame }
  return parse(frame, schemas[frame] as z.ZodType<Frame>, value)
}

function knownMessage(value: unknown): ReceivedFrame {
  const { message } = parse('message', messageHead, value)
  const { type } = message
  if (HOT_MESSAGES.some((hot) => hot === type))
    throw new ShoalError('PEER_PROTOCOL', 'a peer sent a message in another form than its own')
  if (!isKeyOf(coldMessages, type)) return { frame: 'unknown', kind: 'message', name: type }
  return { frame: 'message', message: parse(type, coldMessages[type] as z.ZodType<ControlMessage>, message) }
}

function knownCall(value: unknown): ReceivedFrame {
  const { id, name, args } = parse('call', callHead, value)
  if (!isKeyOf(callArguments, name)) return { frame: 'unknown', kind: 'call', name, id }
  // name and arguments belong together by the table
  return { frame: 'call', id, name, args: parse(`call ${name}`, callArguments[name] as z.ZodType, args) } as CallFrame
}

function isKeyOf<T extends object>(table: T, key: string): key is Extract<keyof T, string> {
  return Object.hasOwn(table, key)
}

function parse<T>(what: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw invalid(what, parsed.error)
  return parsed.data
}

/** The result of a call of this name. Throws `PEER_PROTOCOL`. */
export function parseResult<N extends CallName>(name: N, value: unknown): CallResults[N] {
  return parse(`answer to ${name}`, callResults[name], value)
}

/** Names where it is wrong, not what was there: the values are a stranger's. */
function invalid(what: string, error: z.ZodError): ShoalError {
  const issue = error.issues[0]
  const path = issue?.path.filter((part) => typeof part === 'number' || /^[a-zA-Z]{1,32}$/.test(String(part))).join('.')
  return new ShoalError('PEER_PROTOCOL', `a peer sent an invalid ${what}`, { details: { path, issue: issue?.code } })
}
