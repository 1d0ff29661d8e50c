import type { Dispatcher } from 'undici'
import { Agent } from 'undici'
import { z } from 'zod'
import { errnoCode } from '../base/errno.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'
import { jsonLines } from './json-lines.ts'

/** An engine thinks before the first byte of a pull, and is silent while it unpacks a large layer. */
const HEADERS_TIMEOUT_MS = 120_000
const BODY_TIMEOUT_MS = 600_000
const MAX_ANSWER_BYTES = 4 * 1024 * 1024
const MAX_LINE_BYTES = 1024 * 1024

const problemSchema = z.object({ message: z.string() })

/** Docker Engine's HTTP API on its unix socket, in the version that the engine itself prefers. */
export class DockerEngine implements AsyncDisposable {
  readonly #socketPath: string
  readonly #agent: Agent

  constructor(socketPath: string) {
    this.#socketPath = socketPath
    this.#agent = new Agent({
      connect: { socketPath },
      headersTimeout: HEADERS_TIMEOUT_MS,
      bodyTimeout: BODY_TIMEOUT_MS,
      maxResponseSize: -1,
    })
  }

  async json<T>(path: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    const parsed = schema.safeParse(parseJson(await this.#text(await this.#ask('GET', path, signal), signal)))
    if (!parsed.success) throw this.failure(`answers ${path.split('?')[0]} in a way this program does not understand`)
    return parsed.data
  }

  async post(path: string, signal: AbortSignal): Promise<void> {
    await this.#text(await this.#ask('POST', path, signal), signal)
  }

  async delete(path: string, signal: AbortSignal): Promise<void> {
    await this.#text(await this.#ask('DELETE', path, signal), signal)
  }

  /** The messages of a long answer, as they come. Leaving early cancels what the engine does. */
  async *stream(path: string, signal: AbortSignal): AsyncGenerator<unknown, void, void> {
    const { body } = await this.#ask('POST', path, signal)
    try {
      yield* jsonLines(body, MAX_LINE_BYTES)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof ShoalError) throw this.failure(`sends ${error.message}`)
      throw this.failure(`broke off its answer (${errorText(error)})`, error)
    } finally {
      body.destroy()
    }
  }

  failure(what: string, cause?: unknown): ShoalError {
    return new ShoalError('UNAVAILABLE', `Docker Engine at ${this.#socketPath} ${what}`, { cause })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy()
  }

  /** Resolves with a good answer's head; throws with what the engine says when it is not good. */
  async #ask(method: 'GET' | 'POST' | 'DELETE', path: string, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const response = await this.#request(method, path, signal)
    if (response.statusCode < 300) return response
    const told = problemSchema.safeParse(parseJson(await this.#text(response, signal)))
    const message = told.success ? told.data.message : `it answers ${response.statusCode}`
    throw this.failure(`refuses: ${message}`)
  }

  async #request(method: 'GET' | 'POST' | 'DELETE', path: string, signal: AbortSignal) {
    try {
      // The host part of the URL means nothing to a unix socket.
      return await this.#agent.request({ origin: 'http://localhost', method, path, signal })
    } catch (error) {
      signal.throwIfAborted()
      throw this.failure(`does not answer: ${connectProblem(error)}`, error)
    }
  }

  async #text({ body }: Dispatcher.ResponseData, signal: AbortSignal): Promise<string> {
    const chunks: Uint8Array[] = []
    let bytes = 0
    try {
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        bytes += chunk.length
        if (bytes > MAX_ANSWER_BYTES) throw new Error(`more than ${MAX_ANSWER_BYTES} bytes`)
        chunks.push(chunk)
      }
    } catch (error) {
      signal.throwIfAborted()
      throw this.failure(`broke off its answer (${errorText(error)})`, error)
    }
    return Buffer.concat(chunks).toString()
  }
}

function connectProblem(error: unknown): string {
  const code = errnoCode(error)
  if (code === 'ENOENT') return 'there is no such socket; is dockerd running?'
  if (code === 'ECONNREFUSED') return 'nobody listens on it; is dockerd running?'
  if (code === 'EACCES') return 'this user may not open it; run the agent as root or in its group'
  return errorText(error)
}
