import type { BlobReader, ReadRange } from '../blob/interface.ts'
import type { Digest } from '../oci/digest.ts'
import type { OciErrorCode } from './oci-error.ts'

/** What a route has decided: everything of the response but its transport. For HEAD the body is left out when sent. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number>>
  readonly body: Uint8Array | BlobBody
  /** Of an error: why, as its body says, too. */
  readonly refused?: { readonly code: OciErrorCode; readonly message: string } | undefined
}

/** Parts of a blob, to be sent as they arrive. Whoever sends the answer disposes the reader. */
export interface BlobBody {
  readonly reader: BlobReader
  /** One after the other, each behind what introduces it. */
  readonly parts: readonly { readonly before?: Uint8Array; readonly range: ReadRange }[]
  /** Of an open-ended range, whose client may want no more than the beginning: which blob it is of. */
  readonly openEnded?: Digest | undefined
  /** What closes the body. */
  readonly after?: Uint8Array
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
