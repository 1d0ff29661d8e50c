import type { BlobReader } from '../blob/interface.ts'
import type { ByteRange } from '../piece/piece-layout.ts'

/** What a route has decided: everything of the response but its transport. For HEAD the body is left out when sent. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number>>
  readonly body: Uint8Array | BlobBody
}

/** A part of a blob, to be sent as it arrives. Whoever sends the answer disposes the reader. */
export interface BlobBody {
  readonly reader: BlobReader
  readonly range: ByteRange
}

export const NO_BODY = new Uint8Array(0)

/** An answer whose body is at hand; its Content-Length is the body's, also for HEAD (edge case 2). */
export function bytesAnswer(
  status: number,
  headers: Readonly<Record<string, string | number>>,
  body: Uint8Array,
): Answer {
  return { status, headers: { ...headers, 'Content-Length': body.byteLength }, body }
}

export function jsonAnswer(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string | number>> = {},
): Answer {
  return bytesAnswer(
    status,
    { 'Content-Type': 'application/json', ...headers },
    new TextEncoder().encode(JSON.stringify(value)),
  )
}

export function withHeaders(answer: Answer, headers: Readonly<Record<string, string | number>>): Answer {
  return { ...answer, headers: { ...answer.headers, ...headers } }
}
