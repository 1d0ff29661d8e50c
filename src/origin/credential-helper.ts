import { execFile } from 'node:child_process'
import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'

/** Helpers that ask a cloud for a token take seconds; one that wants a person never ends. */
const TIME_LIMIT_MS = 10_000
const MAX_OUTPUT_BYTES = 64 * 1024
/** A name, never a path: the file that names it may be less trusted than the programs in PATH. */
const HELPER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

const answerSchema = z.object({ Username: z.string(), Secret: z.string() })

/** What a helper keeps: a user name and a secret; `<token>` as the name says that the secret is an identity token. */
export interface HelperAnswer {
  readonly username: string
  readonly secret: string
}

/**
 * Asks `docker-credential-<name> get` for what it keeps of a server (docker-credential-helpers, "Development").
 * Undefined when it keeps nothing. Throws `CONFIG_INVALID`, never quoting what the program wrote.
 */
export async function askCredentialHelper(
  name: string,
  server: string,
  signal: AbortSignal,
  timeLimitMs: number = TIME_LIMIT_MS,
): Promise<HelperAnswer | undefined> {
  if (!HELPER_NAME.test(name)) throw failed(name, 'is no name of a program')
  const program = `docker-credential-${name}`
  const { error, stdout } = await run(program, server, timeLimitMs, signal)
  if (error !== null) {
    signal.throwIfAborted()
    if (/credentials not found/i.test(stdout)) return undefined
    throw failed(program, error.code === 'ENOENT' ? 'is not in PATH' : error.killed ? 'took too long' : 'failed')
  }
  const parsed = answerSchema.safeParse(parseJson(stdout))
  if (!parsed.success) throw failed(program, 'did not answer with a user name and a secret')
  return { username: parsed.data.Username, secret: parsed.data.Secret }
}

type RunError = Error & { readonly code?: unknown; readonly killed?: boolean }

function run(
  program: string,
  input: string,
  timeout: number,
  signal: AbortSignal,
): Promise<{ readonly error: RunError | null; readonly stdout: string }> {
  return new Promise((resolve) => {
    const options = { timeout, maxBuffer: MAX_OUTPUT_BYTES, signal }
    const child = execFile(program, ['get'], options, (error, stdout) => resolve({ error, stdout }))
    // a program that ends without reading breaks the pipe, which its answer tells about
    child.stdin?.on('error', () => {}).end(input)
  })
}

function failed(program: string, why: string): ShoalError {
  return new ShoalError('CONFIG_INVALID', `the credential helper ${program} ${why}`)
}
