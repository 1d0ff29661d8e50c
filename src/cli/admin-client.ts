import type { Command } from 'commander'
import { z } from 'zod'
import { apiErrorSchema, readTokenFile } from '../admin/index.ts'
import { errorText, ShoalError } from '../base/errors.ts'

const DEFAULT_ADMIN = 'http://127.0.0.1:7072'
/** Failures that say the same here as there. */
const PASSED_ON = ['PREWARM_INVALID', 'PREWARM_IMPOSSIBLE', 'PREWARM_UNKNOWN', 'ORDER_REQUIRED'] as const
const TIMEOUT_MS = 30_000

/** The options that every command with a daemon behind it has. */
export function withAdminOptions(command: Command): Command {
  return command
    .option('--admin <url>', 'the admin door of the agent to ask', DEFAULT_ADMIN)
    .option('--token-file <file>', "the file that the agent's admin.tokenFile names, or a copy")
}

export const adminOptionsSchema = z.object({ admin: z.string(), tokenFile: z.string().optional() })

/** Asks one agent's admin door. Every failure is a ShoalError that says what to do. */
export class AdminClient {
  readonly #base: URL
  readonly #token: string | undefined

  private constructor(base: URL, token: string | undefined) {
    this.#base = base
    this.#token = token
  }

  /** Reads the token file. Throws `CONFIG_INVALID` for a URL or file that will not do. */
  static async open(options: z.infer<typeof adminOptionsSchema>): Promise<AdminClient> {
    const base = URL.canParse(options.admin) ? new URL(options.admin) : undefined
    if (base === undefined || !['http:', 'https:'].includes(base.protocol)) {
      throw new ShoalError('CONFIG_INVALID', `--admin ${options.admin}: not a URL such as ${DEFAULT_ADMIN}`)
    }
    const token = options.tokenFile === undefined ? undefined : await readTokenFile(options.tokenFile)
    return new AdminClient(base, token)
  }

  get<T>(path: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    return this.#ask({ method: 'GET', path, signal }, schema)
  }

  post<T>(path: string, body: object, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    return this.#ask({ method: 'POST', path, body, signal }, schema)
  }

  patch<T>(path: string, body: object, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    return this.#ask({ method: 'PATCH', path, body, signal }, schema)
  }

  delete<T>(path: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    return this.#ask({ method: 'DELETE', path, signal }, schema)
  }

  async #ask<T>(question: Question, schema: z.ZodType<T>): Promise<T> {
    const { status, json } = await this.#exchange(question)
    if (status === 401) {
      const message = `the agent at ${this.#base.origin} wants its token; give --token-file FILE`
      throw new ShoalError('CONFIG_INVALID', this.#token === undefined ? message : `${message} with the right token`)
    }
    if (status >= 400) {
      const told = apiErrorSchema.safeParse(json)
      const message = told.success ? told.data.error.message : `answers ${status}`
      const code = PASSED_ON.find((known) => told.success && told.data.error.code === known)
      throw new ShoalError(code ?? 'UNAVAILABLE', code === undefined ? `${this.#base.origin}: ${message}` : message)
    }
    const parsed = schema.safeParse(json)
    if (parsed.success) return parsed.data
    throw new ShoalError('UNAVAILABLE', `${this.#base.origin} is no admin door this program understands; see --admin`)
  }

  async #exchange({ method, path, body, signal }: Question): Promise<{ status: number; json: unknown }> {
    const headers = new Headers({ accept: 'application/json' })
    if (this.#token !== undefined) headers.set('authorization', `Bearer ${this.#token}`)
    if (body !== undefined) headers.set('content-type', 'application/json')
    try {
      const response = await fetch(new URL(path, this.#base), {
        method,
        headers,
        redirect: 'error',
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      return { status: response.status, json: parseJson(await response.text()) }
    } catch (error) {
      signal.throwIfAborted()
      throw this.#unreachable(error)
    }
  }

  #unreachable(error: unknown): ShoalError {
    const help = 'start one with "shoal agent", or name another with --admin URL'
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const refused = cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED'
    const why = refused ? 'connection refused' : errorText(cause)
    return new ShoalError('UNAVAILABLE', `no agent answers at ${this.#base.origin} (${why}); ${help}`, { cause: error })
  }
}

interface Question {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: object
  readonly signal: AbortSignal
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
