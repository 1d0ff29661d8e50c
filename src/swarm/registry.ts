import type { z } from 'zod'
import type { Refusal } from '../base/outcome.ts'
import type { Shape } from '../base/shape.ts'
import type { BinaryLayout } from './binary.ts'
import type { PeerLink } from './interface.ts'

/*
 * What links carry beyond their own frames. Each room defines its messages (one-way) and requests (with one response each)
 * in one file: their names on the wire, their schemas and, in a table that the compiler wants whole, their handlers. A link
 * takes definitions and nothing else, so that what has no schema cannot be sent.
 */

/** What a message is about, for the metrics. */
type MessageKind = 'content' | 'prewarm' | 'upkeep'

/** One-way; `defineMessages` makes it. */
export interface Message<B = unknown> {
  /** On the wire. */
  readonly name: string
  readonly kind: MessageKind
  /** What its body is: by a schema, as CBOR, or by a layout of its own. */
  readonly form: z.ZodType<B> | BinaryLayout<B>
}

/** Which response it is, and what it brings. */
export interface Response {
  readonly kind: string
}

/** Two-way; `defineRequests` makes it. */
export interface Request<B = unknown, R extends Response = Response> {
  /** On the wire. */
  readonly name: string
  readonly body: z.ZodType<B>
  /** A refusal may come in its place. */
  readonly response: z.ZodType<R>
}

/** What links carry, by name. */
export type Protocol = Readonly<Record<string, Message | Request>>

export type BodyOf<D> = D extends Request<infer B> ? B : D extends Message<infer B> ? B : never
/** The response to a request, when it is no refusal. */
export type Granted<D> = D extends Request<unknown, infer R> ? R : never
export type ResponseTo<D> = Granted<D> | Refusal

type Form = z.ZodType | BinaryLayout<unknown>
type BodyIn<F> = F extends z.ZodType ? Shape<F> : F extends BinaryLayout<infer B> ? B : never

/** Messages by their names, each with the schema or the layout of its body. Later versions may add keys to a body. */
export function defineMessages<S extends Readonly<Record<string, Form>>>(
  kind: MessageKind,
  forms: S,
): { readonly [N in keyof S]: Message<BodyIn<S[N]>> } {
  const made = Object.entries(forms).map(([name, form]) => [name, { name, kind, form }] as const)
  return Object.fromEntries(made) as unknown as { [N in keyof S]: Message<BodyIn<S[N]>> }
}

interface RequestSpec {
  readonly body: z.ZodType
  readonly response: z.ZodType<Response>
}

/** Requests by their names, each with the schemas of its body and its response. */
export function defineRequests<S extends Readonly<Record<string, RequestSpec>>>(
  specs: S,
): { readonly [N in keyof S]: Request<Shape<S[N]['body']>, Shape<S[N]['response']>> } {
  const made = Object.entries(specs).map(([name, { body, response }]) => [name, { name, body, response }] as const)
  return Object.fromEntries(made) as unknown as {
    [N in keyof S]: Request<Shape<S[N]['body']>, Shape<S[N]['response']>>
  }
}

/**
 * What a message does: called synchronously, in order per link. What answers a request: must not reject, what goes wrong
 * is a refusal; the signal aborts when nobody waits any more.
 */
type Handler<D, L extends PeerLink = PeerLink> = D extends Request
  ? (link: L, body: BodyOf<D>, signal: AbortSignal) => Promise<ResponseTo<D>>
  : (link: L, body: BodyOf<D>) => void

/** One for everything that a protocol has. */
export type Handlers<P extends Protocol, L extends PeerLink = PeerLink> = { readonly [N in keyof P]: Handler<P[N], L> }

/** Leads what comes in to the handler of its name. */
export class Dispatcher<P extends Protocol, L extends PeerLink = PeerLink> {
  readonly #handlers: ReadonlyMap<string, (link: L, body: unknown, signal?: AbortSignal) => unknown>

  constructor(handlers: Handlers<P, L>) {
    // each belongs to the definition that has read its body: the compiler has matched them by name
    this.#handlers = new Map(Object.entries(handlers))
  }

  has(name: string): boolean {
    return this.#handlers.has(name)
  }

  message(link: L, name: string, body: unknown): void {
    this.#handlers.get(name)?.(link, body)
  }

  request(link: L, name: string, body: unknown, signal: AbortSignal): Promise<Response> {
    return this.#handlers.get(name)?.(link, body, signal) as Promise<Response>
  }
}
