import type { DecodeOptions } from 'cborg'
import { decode, encode } from 'cborg'
import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { HOP_NAME, MAX_HOPS } from '../base/mirror-hops.ts'
import type { Refusal } from '../base/outcome.ts'
import { SOURCE_LIVES } from '../base/patience.ts'
import type { Shape } from '../base/shape.ts'
import { TRACEPARENT } from '../base/tracing.ts'
import { decodeBinary, encodeBinary, isBinary } from './binary.ts'
import { BoundedTokens } from './bounded-tokens.ts'
import { LENGTH_BYTES } from './frame-decoder.ts'
import type { Message, Request, Response } from './registry.ts'
import type { Vocabulary } from './vocabulary.ts'
import { MAX_FRAME_BYTES, WIRE_LIMITS } from './wire-limits.ts'
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
  text,
  tlsOffer,
  u32,
  wireName,
} from './wire-types.ts'

/** Why a side ends a handshake. The only thing a stranger is told. */
export const BYE_REASONS = ['stranger', 'version', 'role', 'banned', 'full', 'duplicate', 'self', 'closing'] as const
export type ByeReason = (typeof BYE_REASONS)[number]

const issuedLists = z.array(z.object({ authority: fingerprint, issuedAtMs: epochMs })).max(WIRE_LIMITS.revocations)

/** Frames that are no message and no request: PROTOCOL.md. */
const plainFrames = {
  /** The first frame each way: enough to prove membership, and nothing else. */
  hello: z.object({
    frame: z.literal('hello'),
    version: u32,
    /** The oldest and the newest version the sender speaks; when absent, `version` is the only one. */
    min: u32.optional(),
    max: u32.optional(),
    proof: bytes(64),
  }),
  /** The second frame each way, sent to proven members only. */
  about: z.object({
    frame: z.literal('about'),
    role: z.enum(['agent', 'cache']),
    /** Present for caches: the fleet's signature over this peer and region. */
    roleProof: bytes(64).optional(),
    region: label,
    zone: label.nullable(),
    addresses,
    /** For people who read logs; nothing depends on it. */
    software: label,
    /** Absent when the sender wants no TLS. */
    tls: tlsOffer.optional(),
    /** The address the sender sees the receiver come from: only the side that was dialled knows. */
    observed: ipAddress.optional(),
    /** Of a cache that an authority has certified (DER); with `proof`, its key's signature over both peers. */
    certificate: certificate.optional(),
    proof: exactBytes(64).optional(),
    /** The revocation lists the sender has, by authority and time (epoch ms). Absent when it wants none. */
    revocations: issuedLists.optional(),
    /** What the cache keys are called whose signatures the sender believes. */
    cacheKeys: z.array(label).max(WIRE_LIMITS.cacheKeys).optional(),
    /** What the sender ranks by as a home. */
    rank: label.optional(),
    /** What the sender understands (speech.ts). Absent from hosts that are too old to say it. */
    speaks: spoken.optional(),
  }),
  /** `clone`: another host with the identity of this one is linked, and both are alive. */
  bye: z.object({ frame: z.literal('bye'), reason: z.enum(BYE_REASONS), clone: z.boolean().optional() }),
  ping: z.object({ frame: z.literal('ping') }),
  /** The last frame on this stream: the sender's others follow on its TLS connection. */
  moved: z.object({ frame: z.literal('moved') }),
  /** The asker no longer wants the response. */
  abandon: z.object({ frame: z.literal('abandon'), id: u32 }),
  /** A response. The result is checked once it is known which request it answers. */
  answer: z.object({ frame: z.literal('answer'), id: u32, result: z.unknown() }),
}

type PlainFrames = { readonly [F in keyof typeof plainFrames]: Shape<(typeof plainFrames)[F]> }
export type HelloFrame = PlainFrames['hello']
export type AboutFrame = PlainFrames['about']
/** A revocation list by its authority's fingerprint and the time it was issued (epoch ms). */
export type IssuedList = Shape<typeof issuedLists>[number]

/** A message's body under the definition that writes and reads it. */
export interface MessageFrame {
  readonly frame: 'message'
  readonly message: Message
  readonly body: unknown
}

/** A request. */
export interface CallFrame {
  readonly frame: 'call'
  readonly id: number
  readonly name: string
  readonly args: unknown
  /** The mirrors of other fleets that the request has come through (base/mirror-hops.ts); absent: none. */
  readonly hops?: readonly string[] | undefined
  /** The span that it is asked for in (base/tracing.ts); absent: its host traces nothing. */
  readonly traceparent?: string | undefined
}

/** What a later version may send by mistake or on purpose, and this one only counts. Never sent. */
export interface UnknownFrame {
  readonly frame: 'unknown'
  readonly kind: 'frame' | 'message' | 'call'
  readonly name: string
  /** Of a request: it is refused. */
  readonly id?: number
}

/** Everything a control stream carries. */
export type Frame = PlainFrames[keyof PlainFrames] | MessageFrame | CallFrame

/** What a control stream delivers. */
export type ReceivedFrame = Frame | UnknownFrame

const head = z.object({ frame: wireName })
const messageHead = z.object({ message: z.looseObject({ type: wireName }) })
const hops = z.array(z.string().regex(HOP_NAME)).max(MAX_HOPS)
const callHead = z.object({
  id: u32,
  name: wireName,
  args: z.unknown().optional(),
  hops: hops.optional(),
  // of a later version, whose spans are named otherwise: the request counts all the same
  traceparent: z.string().regex(TRACEPARENT).optional().catch(undefined),
})

const refusal: z.ZodType<Refusal> = z.object({
  kind: z.literal('refused'),
  reason: z.enum(['unknown', 'denied', 'unavailable']),
  message: text,
  atWork: z.boolean().optional(),
  source: z.enum(SOURCE_LIVES).optional().catch(undefined),
})

/** The first bytes up to here are kept for binary layouts: a later version may give a meaning to those that have none. */
const LAST_TAG = 0x1f

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
  const framed = frame.frame === 'message' ? encodeMessage(frame) : encodeCbor(frame.frame, frame)
  framed.writeUInt32BE(framed.length - LENGTH_BYTES)
  return framed
}

function encodeMessage({ message: { name, form }, body }: MessageFrame): Buffer {
  if (isBinary(form)) return encodeBinary(form, body, LENGTH_BYTES)
  return encodeCbor(name, { frame: 'message', message: Object.assign({ type: name }, body) })
}

/** Leaves room for the length. */
function encodeCbor(what: string, frame: object): Buffer {
  const body = encode(frame, { ignoreUndefinedProperties: true })
  if (body.length > MAX_FRAME_BYTES) throw new RangeError(`a ${what} frame of ${body.length} bytes is too large`)
  const framed = Buffer.allocUnsafe(LENGTH_BYTES + body.length)
  framed.set(body, LENGTH_BYTES)
  return framed
}

/**
 * A frame without its length. Throws `PEER_PROTOCOL`, and nothing else, for whatever is not a valid frame; what only a
 * later version can have named is `unknown`.
 */
export function decodeFrame(body: Uint8Array, vocabulary: Vocabulary): ReceivedFrame {
  const first = body[0] ?? 0
  if (first >> 5 === CBOR_MAP) return knownFrame(decodeCbor(body), vocabulary)
  const message = vocabulary.layout(first)
  if (message !== undefined && isBinary(message.form))
    return { frame: 'message', message, body: decodeBinary(message.form, body) }
  if (first === 0 || first > LAST_TAG) throw new ShoalError('PEER_PROTOCOL', 'a peer sent what is no frame')
  return { frame: 'unknown', kind: 'message', name: `binary-${first}` }
}

function decodeCbor(body: Uint8Array): unknown {
  // cborg copies byte strings out of a plain Uint8Array, but only aliases a Buffer.
  const plain = new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
  try {
    return decode(plain, { ...STRICT, tokenizer: new BoundedTokens(plain, STRICT) })
  } catch (cause) {
    throw new ShoalError('PEER_PROTOCOL', 'a peer sent a frame that is not strict CBOR', { cause })
  }
}

function knownFrame(value: unknown, vocabulary: Vocabulary): ReceivedFrame {
  const { frame } = parse('frame', head, value)
  if (frame === 'message') return knownMessage(value, vocabulary)
  if (frame === 'call') return knownCall(value, vocabulary)
  if (!isKeyOf(plainFrames, frame)) return { frame: 'unknown', kind: 'frame', name: frame }
  return parse(frame, plainFrames[frame] as z.ZodType<Frame>, value)
}

function knownMessage(value: unknown, vocabulary: Vocabulary): ReceivedFrame {
  const said = parse('message', messageHead, value).message
  const message = vocabulary.message(said.type)
  if (message === undefined) return { frame: 'unknown', kind: 'message', name: said.type }
  if (isBinary(message.form))
    throw new ShoalError('PEER_PROTOCOL', 'a peer sent a message in another form than its own')
  return { frame: 'message', message, body: parse(said.type, message.form, said) }
}

function knownCall(value: unknown, vocabulary: Vocabulary): ReceivedFrame {
  const { id, name, args, ...carried } = parse('call', callHead, value)
  const request = vocabulary.request(name)
  if (request === undefined) return { frame: 'unknown', kind: 'call', name, id }
  return { ...carried, frame: 'call', id, name, args: parse(`call ${name}`, request.body, args) }
}

function isKeyOf<T extends object>(table: T, key: string): key is Extract<keyof T, string> {
  return Object.hasOwn(table, key)
}

function parse<T>(what: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw invalid(what, parsed.error)
  return parsed.data
}

/** What a request has been answered with. Throws `PEER_PROTOCOL`. */
export function parseResult<R extends Response>(request: Request<unknown, R>, value: unknown): R | Refusal {
  const refused = refusal.safeParse(value)
  return refused.success ? refused.data : parse(`answer to ${request.name}`, request.response, value)
}

/** Names where it is wrong, not what was there: the values are a stranger's. */
function invalid(what: string, error: z.ZodError): ShoalError {
  const issue = error.issues[0]
  const path = issue?.path.filter((part) => typeof part === 'number' || /^[a-zA-Z]{1,32}$/.test(String(part))).join('.')
  return new ShoalError('PEER_PROTOCOL', `a peer sent an invalid ${what}`, { details: { path, issue: issue?.code } })
}
