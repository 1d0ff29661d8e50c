import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { parseJson } from '../base/json.ts'
import { canonicalBytes } from './canonical.ts'
import type { Trust } from './interface.ts'
import { MAX_SIGNATURE_BYTES } from './interface.ts'

/** What only those may have done who hold an operator's credential, or a cache for its own region and those below. */
const ORDER_VERBS = ['prewarm', 'edit', 'schedule', 'unschedule', 'invalidate', 'purge'] as const
type OrderVerb = (typeof ORDER_VERBS)[number]

/** A job of 256 images is some 50 KB. */
const MAX_ORDER_TEXT_CHARS = 128 * 1024
/** How far the clocks of who orders and who obeys may be apart. An older order is refused: it may be a replay. */
export const ORDER_SKEW_MS = 5 * 60_000
const NONCE_BYTES = 12

/** An order as it travels. The text is what was signed and goes on as it came, so that a later version may say more in it. */
export interface Order {
  /** JSON of an `OrderContent`. */
  readonly text: string
  /** The region whose cache gave it; null = an operator did. */
  readonly region: string | null
  readonly signature: Uint8Array
}

/** What is to be done, and to what: a job by its id, a tag by its reference. */
export interface OrderContent {
  readonly verb: OrderVerb
  readonly subject: string
  /** The job, the change: what its room reads with its own schema. */
  readonly content: unknown
  /** When it was given, by the wall clock of who gave it. */
  readonly issuedEpochMs: number
  /** No two orders are the same. */
  readonly nonce: string
}

/** An order that may have done what it says. */
export interface ProvenOrder extends OrderContent {
  /** Who gave it, for people: an operator by name and certificate, a cache by its region. */
  readonly by: string
}

/** What can sign an order: this host's trust, or a credential that a user names. */
export type SignsOrders = Pick<Trust, 'order'>

const contentSchema = z.object({
  verb: z.enum(ORDER_VERBS),
  subject: z.string().max(1024),
  content: z.unknown(),
  issuedEpochMs: z.int().min(0),
  nonce: z.string().min(8).max(64),
})

/** Signs an order with an operator's credential; undefined when `signer` holds none. */
export function giveOrder(signer: SignsOrders, what: Omit<OrderContent, 'nonce'>): Order | undefined {
  const text = orderText(what)
  const signature = signer.order(statementOf(text))
  return signature === undefined ? undefined : { text, region: null, signature }
}

/** Signs an order as a cache of `region`: for what starts on a cache by its own rules. Undefined on other hosts. */
export function giveOrderAsCache(
  signer: Pick<Trust, 'vouch'>,
  region: string,
  what: Omit<OrderContent, 'nonce'>,
): Order | undefined {
  const text = orderText(what)
  const signature = signer.vouch(statementOf(text))
  return signature === undefined ? undefined : { text, region, signature }
}

/** An order in JSON: its signature in base64. */
export const orderSchema = z.object({
  text: z.string().max(MAX_ORDER_TEXT_CHARS),
  region: z.string().min(1).max(128).nullable(),
  signature: z
    .string()
    .max(Math.ceil(MAX_SIGNATURE_BYTES / 3) * 4)
    .transform((value): Uint8Array => Buffer.from(value, 'base64')),
})

/** As `orderSchema` reads it. */
export function orderJson({ text, region, signature }: Order): z.input<typeof orderSchema> {
  return { text, region, signature: Buffer.from(signature).toString('base64') }
}

/** Has an operator's credential sign that a tag is to be forgotten by the fleet; undefined when it is none. */
export function orderInvalidate(signer: SignsOrders, reference: string, nowEpochMs: number): Order | undefined {
  return giveOrder(signer, { verb: 'invalidate', subject: reference, content: null, issuedEpochMs: nowEpochMs })
}

/** What an order says without asking whether it may: for messages, and for who only passes it on. */
export function orderContent({ text }: Pick<Order, 'text'>): OrderContent | undefined {
  if (text.length > MAX_ORDER_TEXT_CHARS) return undefined
  return contentSchema.safeParse(parseJson(text)).data
}

/**
 * What an order says, once its signature has proven that it may: an operator's, or a cache's of a region that `isAbove`
 * says may order here. Its age is not looked at: an order that started a job holds as long as the job does.
 */
export function provenOrder(
  trust: Pick<Trust, 'ordered' | 'vouched'>,
  order: Order,
  isAbove: (region: string) => boolean,
): ProvenOrder | undefined {
  const { text, region, signature } = order
  if (text.length > MAX_ORDER_TEXT_CHARS || signature.length > MAX_SIGNATURE_BYTES) return undefined
  const statement = statementOf(text)
  const isCaches = region !== null && isAbove(region) && trust.vouched(statement, signature, region)
  const by =
    region === null ? trust.ordered(statement, signature) : isCaches ? `a cache of region ${region}` : undefined
  const content = by === undefined ? undefined : orderContent(order)
  return content === undefined || by === undefined ? undefined : { ...content, by }
}

/** Whether an order has just been given, as far as two clocks can agree on it. */
export function isFresh({ issuedEpochMs }: Pick<OrderContent, 'issuedEpochMs'>, nowEpochMs: number): boolean {
  return Math.abs(nowEpochMs - issuedEpochMs) <= ORDER_SKEW_MS
}

function orderText(what: Omit<OrderContent, 'nonce'>): string {
  return JSON.stringify({ ...what, nonce: randomBytes(NONCE_BYTES).toString('base64url') })
}

function statementOf(text: string): Uint8Array {
  return canonicalBytes('shoal act v1', text)
}
