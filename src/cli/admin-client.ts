import type { Command } from 'commander'
import { z } from 'zod'
import { apiErrorSchema } from '../admin/index.ts'
import { errnoCode } from '../base/errno.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'
import { COMMAND_MS } from '../base/patience.ts'
import type { AdminRequest, AdminResponse } from './admin-request.ts'
import { sendAdmin } from './admin-request.ts'
import type { AdminTarget } from './admin-target.ts'
import { adminTargets, DEFAULT_ADMIN, hintedSocket, targetText } from './admin-target.ts'
import type { CommandIo } from './command-io.ts'

/** Failures that say the same here as there. */
const PASSED_ON = ['PREWARM_INVALID', 'PREWARM_IMPOSSIBLE', 'PREWARM_UNKNOWN', 'ORDER_REQUIRED'] as const
/** The options that every command with a daemon behind it has. */
export function withAdminOptions(command: Command): Command {
  return command
    .option(
      '--admin <url>',
      `the agent to ask: a URL or a socket's path (or SHOAL_ADMIN; default: this host's own, by its socket or at ${DEFAULT_ADMIN})`,
    )
    .option('--token-file <file>', "the agent's admin token, or a copy (or SHOAL_TOKEN_FILE)")
}

export const adminOptionsSchema = z.object({ admin: z.string().optional(), tokenFile: z.string().optional() })

/** Asks one agent's admin server. Every failure is a ShoalError that says what to do. */
export class AdminClient {
  /** Where it may be; the first that answers is it. */
  #targets: readonly AdminTarget[]

  private constructor(targets: readonly AdminTarget[]) {
    this.#targets = targets
  }

  /** Finds it, and reads the token file. Throws `CONFIG_INVALID` for a choice that will not do. */
  static async open(
    options: z.infer<typeof adminOptionsSchema>,
    { env }: Pick<CommandIo, 'env'>,
  ): Promise<AdminClient> {
    return new AdminClient(await adminTargets(options, env))
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

  async #ask<T>(request: AdminRequest, schema: z.ZodType<T>): Promise<T> {
    const { target, status, text } = await this.#exchange(request)
    const json = parseJson(text)
    const told = apiErrorSchema.safeParse(json).data?.error
    if (status === 401) {
      const socket = target.kind === 'url' && target.token === undefined ? await hintedSocket(told?.socket) : undefined
      if (socket === undefined) throw notOurs(target, told?.message)
      this.#targets = [socket]
      return this.#ask(request, schema)
    }
    const where = targetText(target)
    const parsed = schema.safeParse(json)
    // a probe says no by its status, and why in its body
    if (status >= 400 && !(status === 503 && parsed.success)) {
      if (told === undefined) throw noAdmin(where, ` (it answers ${status})`)
      const { message } = told
      const code = PASSED_ON.find((known) => told.code === known)
      throw new ShoalError(code ?? 'UNAVAILABLE', code === undefined ? `${where}: ${message}` : message)
    }
    if (parsed.success) return parsed.data
    throw noAdmin(where, '')
  }

  async #exchange(request: AdminRequest): Promise<AdminResponse & { readonly target: AdminTarget }> {
    let failure: ShoalError | undefined
    for (const target of this.#targets) {
      const signal = AbortSignal.any([request.signal, AbortSignal.timeout(COMMAND_MS)])
      try {
        const response = await sendAdmin(target, { ...request, signal })
        this.#targets = [target]
        return { ...response, target }
      } catch (error) {
        request.signal.throwIfAborted()
        failure = unreachable(target, error)
      }
    }
    throw failure ?? new ShoalError('UNAVAILABLE', 'there is no agent to ask; see --admin')
  }
}

function notOurs(target: AdminTarget, told: string | undefined): ShoalError {
  const where = targetText(target)
  if (target.kind === 'url' && target.token !== undefined) {
    return new ShoalError(
      'CONFIG_INVALID',
      `the agent at ${where} wants its token; give --token-file FILE with the right token`,
    )
  }
  const why = told === undefined ? '' : ` (${told})`
  return new ShoalError('CONFIG_INVALID', `the agent at ${where} wants its token; give --token-file FILE${why}`)
}

/** Often the mirror's port, or another program's. */
function noAdmin(where: string, why: string): ShoalError {
  return new ShoalError('UNAVAILABLE', `${where} is no admin server this program understands${why}; see --admin`)
}

/** Failures whose own words say little, or much too much. */
const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'it closes the connection',
  EACCES: 'this user may not use it: be root, or the user of the agent',
  ENOENT: 'there is no such socket',
  ENOTFOUND: 'there is no such host',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS: name it with http://',
  UND_ERR_SOCKET: 'it closes the connection',
}

function unreachable(target: AdminTarget, error: unknown): ShoalError {
  const help = 'start one with "shoal agent", or name another with --admin'
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const why = CAUSES[errnoCode(cause) ?? ''] ?? errorText(cause)
  return new ShoalError('UNAVAILABLE', `no agent answers at ${targetText(target)} (${why}); ${help}`, { cause: error })
}
