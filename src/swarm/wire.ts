import type { DecodeOptions } from 'cborg'
import { decode, encode } from 'cborg'
import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { LENGTH_BYTES } from './frame-decoder.ts'
import { decodeHotMessage, encodeHotMessage, isHotMessage } from './hot-messages.ts'
import type { CallArguments, CallName, CallResults, ControlMessage, Role } from './interface.ts'
import type { TlsOffer } from './tls-ticket.ts'
import { MAX_FRAME_BYTES } from './wire-limits.ts'
import { callArguments, callResults, controlMessage } from './wire-messages.ts'
import { addresses, bytes, label, tlsOffer, u32 } from './wire-types.ts'

/** Why a side ends a handshake. The only thing a stranger is told. */
export const BYE_REASONS = ['stranger', 'version', 'role', 'banned', 'full', 'duplicate', 'self', 'closing'] as const
export type ByeReason = (typeof BYE_REASONS)[number]

/** The first frame each way: enough to prove membership, and nothing else. */
export interface HelloFrame {
  readonly frame: 'hello'
  readonly version: number
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
}

export type CallFrame = {
  [N in CallName]: { readonly frame: 'call'; readonly id: number; readonly name: N; readonly args: CallArguments[N] }
}[CallName]

/** Everything a control stream carries: PROTOCOL.md. */
export type Frame =
  | HelloFrame
  | AboutFrame
  | { readonly frame: 'bye'; readonly reason: ByeReason }
  | { readonly frame: 'ping' }
  /** The last frame on this stream: the sender's others follow on its TLS connection. */
  | { readonly frame: 'moved' }
  | { readonly frame: 'message'; readonly message: ControlMessage }
  | CallFrame
  /** The asker no longer wants the answer. */
  | { readonly frame: 'abandon'; readonly id: number }
  /** The result is checked once it is known which call it answers. */
  | { readonly frame: 'answer'; readonly id: number; readonly result: unknown }

const callHead = { frame: z.literal('call'), id: u32 }

const call: z.ZodType<CallFrame> = z.discriminatedUnion('name', [
  z.object({ ...callHead, name: z.literal('join'), args: callArguments.join }),
  z.object({ ...callHead, name: z.literal('manifest'), args: callArguments.manifest }),
  z.object({ ...callHead, name: z.literal('stat'), args: callArguments.stat }),
  z.object({ ...callHead, name: z.literal('tags'), args: callArguments.tags }),
  z.object({ ...callHead, name: z.literal('referrers'), args: callArguments.referrers }),
  z.object({ ...callHead, name: z.literal('invalidate'), args: callArguments.invalidate }),
  z.object({ ...callHead, name: z.literal('members'), args: callArguments.members }),
  z.object({ ...callHead, name: z.literal('prewarm'), args: callArguments.prewarm }),
])

const schemas: { readonly [F in Frame['frame']]: z.ZodType<Extract<Frame, { frame: F }>> } = {
  hello: z.object({ frame: z.literal('hello'), version: u32, proof: bytes(64) }),
  about: z.object({
    frame: z.literal('about'),
    role: z.enum(['agent', 'cache']),
    roleProof: bytes(64).optional(),
    region: label,
    zone: label.nullable(),
    addresses,
    software: label,
    tls: tlsOffer.optional(),
  }),
  bye: z.object({ frame: z.literal('bye'), reason: z.enum(BYE_REASONS) }),
  ping: z.object({ frame: z.literal('ping') }),
  moved: z.object({ frame: z.literal('moved') }),
  message: z.object({ frame: z.literal('message'), message: controlMessage }),
  call,
  abandon: z.object({ frame: z.literal('abandon'), id: u32 }),
  answer: z.object({ frame: z.literal('answer'), id: u32, result: z.unknown() }),
}

const head = z.object({
  frame: z.enum(['hello', 'about', 'bye', 'ping', 'moved', 'message', 'call', 'abandon', 'answer']),
})

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

/** A frame without its length. Throws `PEER_PROTOCOL`, and nothing else, for whatever is not a valid frame. */
export function decodeFrame(body: Uint8Array): Frame {
  const isMap = (body[0] ?? 0) >> 5 === CBOR_MAP
  return isMap ? decodeCbor(body) : { frame: 'message', message: decodeHotMessage(body) }
}

function decodeCbor(body: Uint8Array): Frame {
  // cborg copies byte strings out of a plain Uint8Array, but only aliases a Buffer.
  const plain = new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
  let value: unknown
  try {
    value = decode(plain, STRICT)
  } catch (cause) {
    throw new ShoalError('PEER_PROTOCOL', 'a peer sent a frame that is not strict CBOR', { cause })
  }
  const kind = head.safeParse(value)
  if (!kind.success) throw invalid('frame', kind.error)
  const parsed = schemas[kind.data.frame].safeParse(value)
  if (!parsed.success) throw invalid(kind.data.frame, parsed.error)
  return parsed.data
}

/** The result of a call of this name. Throws `PEER_PROTOCOL`. */
export function parseResult<N extends CallName>(name: N, value: unknown): CallResults[N] {
  const parsed = callResults[name].safeParse(value)
  if (!parsed.success) throw invalid(`answer to ${name}`, parsed.error)
  return parsed.data
}

/** Names where it is wrong, not what was there: the values are a stranger's. */
function invalid(what: string, error: z.ZodError): ShoalError {
  const issue = error.issues[0]
  const path = issue?.path.filter((part) => typeof part === 'number' || /^[a-zA-Z]{1,32}$/.test(String(part))).join('.')
  return new ShoalError('PEER_PROTOCOL', `a peer sent an invalid ${what}`, { details: { path, issue: issue?.code } })
}
