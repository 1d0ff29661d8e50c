import type { ServerResponse } from 'node:http'
import { raceAbort } from '../base/abort.ts'
import { ShoalError } from '../base/errors.ts'
import type { BlobReader, ReadRange } from '../blob/interface.ts'
import type { Answer, BlobBody } from './answer.ts'
import type { Pace, ParallelReads } from './parallel-reads.ts'

/** The connection is gone: a failed write may tell before the connection's own end does. */
export class ClientLeft extends Error {
  constructor(options: ErrorOptions) {
    super('the client has left', options)
  }
}

/** The wire end of one request. */
export interface Wire {
  readonly response: ServerResponse
  readonly head: boolean
  /** Aborted when the client has left. */
  readonly client: AbortSignal
  /** Called for each part of content once the kernel has taken it. */
  readonly onSent: (bytes: number) => void
  readonly parallel: ParallelReads
}

/**
 * Writes an answer and waits until the kernel has all of it. Rejects with the reason of `client`, or `ClientLeft`, if that leaves, with
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

/** Each part behind what introduces it, then what closes the body. */
async function pump({ reader, parts, openEnded, after }: BlobBody, wire: Wire): Promise<void> {
  for (const { before, range } of parts) {
    if (before !== undefined) await write(wire.response, before, wire.client)
    const pace = openEnded === undefined ? undefined : wire.parallel.begin(openEnded, range.start)
    await pumpRange(reader, range, wire, pace)
  }
  if (after !== undefined) await write(wire.response, after, wire.client)
}

/**
 * Moves a part of a blob at the pace of its reader. The next chunk is asked for only when the kernel has taken the last:
 * that is the back-pressure, and it leaves the chunk's buffer to the content service again. Never sends a byte more than
 * announced, and never lets a short body end as if it were whole.
 */
async function pumpRange(reader: BlobReader, range: ReadRange, wire: Wire, pace: Pace | undefined): Promise<void> {
  let offset = range.start
  if (offset === range.end) return
  for await (const chunk of reader.read(range, wire.client)) {
    const end = offset + chunk.byteLength
    if (end > range.end) break
    for (let left = chunk; left.byteLength > 0; ) {
      const bytes = pace === undefined ? left.byteLength : await pace.room(offset, left.byteLength, wire.client)
      await write(wire.response, left.subarray(0, bytes), wire.client)
      wire.onSent(bytes)
      offset += bytes
      left = left.subarray(bytes)
    }
  }
  wire.client.throwIfAborted()
  if (offset < range.end) {
    throw new ShoalError('CONTENT_CORRUPT', 'a blob did not have the length it was announced with')
  }
}

function write(response: ServerResponse, chunk: Uint8Array, client: AbortSignal): Promise<void> {
  const taken = new Promise<void>((resolve, reject) => {
    response.write(chunk, (error) => (error ? reject(new ClientLeft({ cause: error })) : resolve()))
  })
  return raceAbort(taken, client)
}
