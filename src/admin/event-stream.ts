import type { FastifyReply } from 'fastify'

/** A stream that has nothing new says so this often, so that what lies between does not cut it. */
export const ALIVE_MS = 15_000

const HEADERS = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' }

/** Server-sent events to one reader (HTML living standard, 9.2). */
export class EventStream {
  readonly #raw: FastifyReply['raw']
  readonly #left = new AbortController()

  constructor(reply: FastifyReply) {
    reply.hijack()
    this.#raw = reply.raw
    this.#raw.once('close', () => this.#left.abort())
    // this notices a client that leaves
    this.#raw.on('error', () => {})
    this.#raw.writeHead(200, HEADERS)
    this.#raw.flushHeaders()
  }

  /** Aborts when the reader has left. */
  get left(): AbortSignal {
    return this.#left.signal
  }

  /** Whether the reader has not read what it was sent. */
  get isBehind(): boolean {
    return this.#raw.writableNeedDrain === true
  }

  send(event: string, data: unknown, id?: number): void {
    const head = id === undefined ? '' : `id: ${id}\n`
    this.#raw.write(`${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  sayAlive(): void {
    if (!this.isBehind) this.#raw.write(': nothing new\n\n')
  }

  end(): void {
    this.#raw.end()
  }
}
