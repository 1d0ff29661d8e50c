import type { ServerResponse } from 'node:http'
import { raceAbort } from '../base/abort.ts'
import { ShoalError } from '../base/errors.ts'
import type { Answer, BlobBody } from './answer.ts'

/** The wire end of one request. */
export interface Wire {
  readonly response: ServerResponse
  readonly head: boolean
  /** Aborted when the client has left. */
  readonly client: AbortSignal
  /** Called for each part of content once the kernel has taken it. */
  readonly onSent: (bytes: number) => void
}

/**
 * Writes an answer and waits until the kernel has all of it. Rejects with the reason of `client` if that leaves, with
 * what the reader threw if the blob ends early, and with Node's error if a header cannot be written; after headers
 * the caller must then close the connection. Node's own response is used: it adds no charset, no chunking and, for
 * HEAD and 304, no body.
 */
export async function sendAnswer(answer: Answer, wire: Wire): Promise<void> {
  const { response, head, client } = wire
  if ('reader' in answer.body) {
    await using _reader = answer.body.reader
    response.writeHead(answer.status, answer.headers)
    // The first piece may be seconds away, and some runtimes wait 30 s for headers but for ever for a body.
    response.flushHeaders()
    await pump(answer.body, wire)
    await raceAbort(new Promise<void>((resolve) => response.end(resolve)), client)
    return
  }
  const body = answer.body
  response.writeHead(answer.status, answer.headers)
  await raceAbort(new Promise<void>((resolve) => response.end(head ? undefined : body, resolve)), client)
  if (!head && answer.status === 200) wire.onSent(body.byteLength)
}

/**
 * Moves a blob at the pace of its reader. The next chunk is asked for only when the kernel has taken the last: that
 * is the back-pressure, and it leaves the chunk's buffer to the content service again. Never sends a byte more than
 * announced, and never lets a short body end as if it were whole.
 */
async function pump(body: BlobBody, wire: Wire): Promise<void> {
  const { reader, range } = body
  let left = range.end - range.start
  if (left === 0) return
  for await (const chunk of reader.read(range, wire.client)) {
    if (chunk.byteLength > left) break
    await write(wire.response, chunk, wire.client)
    left -= chunk.byteLength
    wire.onSent(chunk.byteLength)
  }
  wire.client.throwIfAborted()
  if (left > 0) throw new ShoalError('CONTENT_CORRUPT', 'a blob did not have the length it was announced with')
}

function write(response: ServerResponse, chunk: Uint8Array, client: AbortSignal): Promise<void> {
  const taken = new Promise<void>((resolve, reject) => {
    response.write(chunk, (error) => (error ? reject(error) : resolve()))
  })
  return raceAbort(taken, client)
}
