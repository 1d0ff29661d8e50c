import { z } from 'zod'
import type { ErrorCode } from '../base/errors.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import { encodeJson, parseJson } from '../base/json.ts'
import { text } from './shapes.ts'
import type { AnyRequest, MessageOf, MessageTable, NameOf, RequestOf, RequestTable, ResponseTo } from './words.ts'
import { MAX_MESSAGE_BYTES } from './words.ts'

const MAX_HOPS = 16
const MAX_REASON_CHARS = 1_000

const messageHead = z.object({ kind: z.string() })
const requestHead = z.object({ name: z.string(), hops: z.int().min(0).max(MAX_HOPS), ask: z.unknown() })

/** What a response may fail with: the codes that mean something to who asked. */
const FAILURES = ['PREWARM_INVALID', 'PREWARM_IMPOSSIBLE', 'PREWARM_UNKNOWN', 'ORDER_REQUIRED', 'UNAVAILABLE'] as const
const valueSchema = z.object({ value: z.unknown() })
const failureSchema = z.object({ failure: z.object({ code: z.enum(FAILURES), message: text }) })

/** Whether a response says that no other cache need be asked. */
export function isFinalAnswer(error: unknown): boolean {
  return isShoalError(error, ...FAILURES) && error.code !== 'UNAVAILABLE'
}

export function encodeMessage<T extends MessageTable>(message: MessageOf<T>): Uint8Array {
  return encodeJson(message)
}

/** Undefined for whatever is no message of this table. */
export function decodeMessage<T extends MessageTable>(table: T, bytes: Uint8Array): MessageOf<T> | undefined {
  const value = parseJson(bytes)
  const kind = messageHead.safeParse(value).data?.kind
  const row = kind !== undefined && Object.hasOwn(table, kind) ? table[kind] : undefined
  const parsed = row?.body.safeParse(value)
  // the schema is the one of this kind
  return parsed?.success ? (Object.assign({ kind }, parsed.data) as MessageOf<T>) : undefined
}

/** The name comes first: a receiver looks at it before it parses anything. */
export function encodeRequest<T extends RequestTable, N extends NameOf<T>>(request: RequestOf<T, N>): Uint8Array {
  const { name, hops, ask } = request
  return encodeJson({ name, hops, ask })
}

/** Undefined for what is no request of this table, or has gone too far. */
export function decodeRequest<T extends RequestTable>(table: T, bytes: Uint8Array): AnyRequest<T> | undefined {
  const head = requestHead.safeParse(parseJson(bytes)).data
  if (head === undefined || !isNameOf(table, head.name)) return undefined
  const parsed = table[head.name]!.ask.safeParse(head.ask)
  // the schema is the one of this name
  return parsed.success ? ({ ...head, ask: parsed.data } as AnyRequest<T>) : undefined
}

/** A response, or the failure in its place. */
export function encodeResponse(response: { readonly value: unknown } | { readonly error: unknown }): Uint8Array {
  if ('value' in response) {
    const bytes = encodeJson({ value: response.value })
    if (bytes.length <= MAX_MESSAGE_BYTES) return bytes
    return encodeResponse({ error: new ShoalError('UNAVAILABLE', 'the response is too large to be sent') })
  }
  const { error } = response
  const code: ErrorCode = isShoalError(error, ...FAILURES) ? error.code : 'UNAVAILABLE'
  return encodeJson({ failure: { code, message: errorText(error).slice(0, MAX_REASON_CHARS) } })
}

/** Throws the failure in it, or `UNAVAILABLE` when it is no response to such a request. */
export function decodeResponse<T extends RequestTable, N extends NameOf<T>>(
  table: T,
  name: N,
  bytes: Uint8Array,
): ResponseTo<T, N> {
  const json = parseJson(bytes)
  const good = table[name]!.response.safeParse(valueSchema.safeParse(json).data?.value)
  // the schema is the one of this name
  if (good.success) return good.data as ResponseTo<T, N>
  const bad = failureSchema.safeParse(json).data
  if (bad !== undefined) throw new ShoalError(bad.failure.code, bad.failure.message)
  throw new ShoalError('UNAVAILABLE', 'a cache of another version answers in a way this host does not understand')
}

function isNameOf<T extends object>(table: T, name: string): name is NameOf<T> {
  return Object.hasOwn(table, name)
}
