import type { AgentOptions, ClientRequest, ClientRequestArgs, IncomingMessage } from 'node:http'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { Duplex } from 'node:stream'

/** What undici says of answers that are no strict HTTP/1.1, before or while it reads them. */
const STRICT_ERRORS = /^HPE_|^UND_ERR_RES_CONTENT_LENGTH_MISMATCH$/
const STRICT_WORDS = /HTTP\/1\.1 protocol|bad response/
const MAX_HEAD_BYTES = 64 * 1024

/** Whether a strict client failed at an answer that looser ones, Go's among them, can read. */
export function isLooseAnswer(code: string, message: string): boolean {
  return STRICT_ERRORS.test(code) || STRICT_WORDS.test(message)
}

/** Whether headers that were read will be in the way of their body: two lengths, or a length and chunks. */
export function isLooseHead(headers: Readonly<Record<string, string | string[] | undefined>>): boolean {
  const length = headers['content-length']
  if (length === undefined) return false
  return Array.isArray(length) || !/^\d+$/.test(length) || headers['transfer-encoding'] !== undefined
}

interface LooseQuestion {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  readonly headersTimeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Asks as undici does, with a reader for what registries, proxies and gateways send in the place of HTTP/1.1: lines that end in
 * LF, folded lines, blanks before colons, lengths beside chunks. One connection for each question, as only the first head on
 * it can be put right. Rejects with the connection's error, or the signal's reason.
 */
export function askLoosely(url: URL, question: LooseQuestion, options: AgentOptions): Promise<IncomingMessage> {
  const { method, headers, body, headersTimeoutMs, signal } = question
  const secure = url.protocol === 'https:'
  const once = { ...options, keepAlive: false }
  const agent = secure ? new LooseHttpsAgent(once) : new LooseHttpAgent(once)
  return new Promise((resolve, reject) => {
    const ask: ClientRequest = (secure ? httpsRequest : httpRequest)(url, {
      method,
      headers: { ...headers },
      agent,
      insecureHTTPParser: true,
      maxHeaderSize: MAX_HEAD_BYTES,
      signal,
    })
    const timer = setTimeout(() => ask.destroy(new Error(`no headers within ${headersTimeoutMs} ms`)), headersTimeoutMs)
    ask.on('error', (error) => {
      clearTimeout(timer)
      reject(signal.aborted ? signal.reason : error)
    })
    ask.on('response', (answer) => {
      clearTimeout(timer)
      resolve(answer)
    })
    ask.end(body ?? undefined)
  })
}

type Connected = (error: Error | null, stream: Duplex) => void

class LooseHttpAgent extends HttpAgent {
  override createConnection(options: ClientRequestArgs, connected?: Connected): Duplex | null | undefined {
    return mended(super.createConnection(options, mending(connected)), connected)
  }
}

class LooseHttpsAgent extends HttpsAgent {
  override createConnection(options: ClientRequestArgs, connected?: Connected): Duplex | null | undefined {
    return mended(super.createConnection(options, mending(connected)), connected)
  }
}

/** A connection comes as the return value, or later through a proxy. */
function mended(socket: Duplex | null | undefined, connected: Connected | undefined): Duplex | null | undefined {
  if (socket == null) return socket
  const stream = new MendedConnection(socket)
  connected?.(null, stream)
  return undefined
}

function mending(connected: Connected | undefined): Connected | undefined {
  if (connected === undefined) return undefined
  return (error, socket) =>
    error === null && socket ? connected(null, new MendedConnection(socket)) : connected(error, socket)
}

/** A connection whose first answer comes with its head put right; interim heads (1xx) are left out. */
class MendedConnection extends Duplex {
  readonly #socket: Duplex
  #head = Buffer.alloc(0)
  #isBody = false
  #hasEnded = false

  constructor(socket: Duplex) {
    super()
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    socket.on('end', () => this.#end())
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => {
      if (!this.#hasEnded) this.destroy(new Error('the connection closed'))
    })
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done)
  }

  override _final(done: () => void): void {
    this.#socket.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy()
    done(error)
  }

  #received(chunk: Buffer): void {
    if (this.#isBody) return this.#pass(chunk)
    this.#head = Buffer.concat([this.#head, chunk])
    for (;;) {
      const end = /\r?\n\r?\n/.exec(this.#head.toString('latin1'))
      if (end === null) return this.#head.length > MAX_HEAD_BYTES ? this.#passRest() : undefined
      const head = this.#head.toString('latin1', 0, end.index)
      this.#head = this.#head.subarray(end.index + end[0].length)
      if (/^HTTP\/1\.\d 1(?!01)\d\d/i.test(head)) continue
      this.#pass(Buffer.from(`${mendHead(head)}\r\n\r\n`, 'latin1'))
      return this.#passRest()
    }
  }

  #passRest(): void {
    this.#isBody = true
    if (this.#head.length > 0) this.#pass(this.#head)
  }

  #pass(bytes: Buffer): void {
    if (!this.push(bytes)) this.#socket.pause()
  }

  #end(): void {
    this.#hasEnded = true
    if (!this.#isBody) this.#passRest()
    this.push(null)
  }
}

/** A head in the strict form: unfolded lines that end in CRLF, one length at most, and none beside chunks. */
export function mendHead(head: string): string {
  const [status = '', ...lines] = head.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)
  const fields = lines.flatMap((line): (readonly [name: string, value: string])[] => {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0)).trim()
    return name === '' ? [] : [[name, line.slice(colon + 1).trim()]]
  })
  const chunked = fields.some(([name, value]) => /^transfer-encoding$/i.test(name) && /chunked/i.test(value))
  const lengths = new Set(fields.flatMap(([name, value]) => (isLength(name) ? value.split(/\s*,\s*/) : [])))
  const kept = fields.filter(([name]) => !isLength(name) || (!chunked && lengths.size > 1))
  const length = !chunked && lengths.size === 1 ? [['Content-Length', [...lengths][0]!] as const] : []
  return [status.trimEnd(), ...[...kept, ...length].map(([name, value]) => `${name}: ${value}`)].join('\r\n')
}

function isLength(name: string): boolean {
  return /^content-length$/i.test(name)
}
