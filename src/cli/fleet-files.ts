import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { errorText, ShoalError } from '../base/errors.ts'
import type { Authority, AuthorityFiles } from '../trust/index.ts'
import { isFleetName, readAuthorities } from '../trust/index.ts'
import type { CommandIo } from './command-io.ts'

const MAX_DAYS = 20 * 366

/** A number of days, also a part of one. */
export const daysSchema = z.coerce
  .number({ error: '--days is no number' })
  .positive({ error: '--days must be more than 0' })
  .max(MAX_DAYS, { error: `--days is more than ${MAX_DAYS}` })

/** What `shoal fleet init` has put into one file: the authority, and all that it takes to certify in its name. */
interface OpenAuthority extends AuthorityFiles {
  readonly authority: Authority
  /** The name of the fleet, as the authority's own certificate has it. */
  readonly fleet: string
}

const PRIVATE_KEY = /-----BEGIN PRIVATE KEY-----[^-]*-----END PRIVATE KEY-----/

/** Opens an authority's file. Throws `CONFIG_INVALID`. */
export async function openAuthority(file: string): Promise<OpenAuthority> {
  const text = await readText('--authority', file)
  const keyPem = PRIVATE_KEY.exec(text)?.[0]
  if (keyPem === undefined) {
    throw usage(
      `--authority ${file}: holds no private key: name the file that shoal fleet init has made, authority.pem`,
    )
  }
  let authority: Authority | undefined
  try {
    authority = readAuthorities(text)[0]
  } catch (cause) {
    throw usage(`--authority ${file}: ${errorText(cause)}`)
  }
  const certificatePem = authority!.x509.toString()
  return { authority: authority!, certificatePem, keyPem, fleet: fleetOf(authority!) }
}

/** `CN=corp fleet authority 2026-11-28`; another name in front of another authority is a fleet's, too. */
export function fleetOf({ name }: Authority): string {
  const [first = ''] = name.split(' ')
  return isFleetName(first) ? first : 'fleet'
}

export async function readText(what: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw usage(`${what} ${file}: cannot be read (${errorText(cause)})`)
  }
}

export function usage(message: string): ShoalError {
  return new ShoalError('CONFIG_INVALID', message)
}

/** Options as their schema has them. Throws `CONFIG_INVALID` with what is wrong with the first one that is. */
export function parseOptions<T>(schema: z.ZodType<T>, raw: unknown): T {
  const parsed = schema.safeParse(raw)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw usage(issue?.message ?? 'wrong usage')
}

export function tell(io: CommandIo, json: boolean, object: object, text: string): void {
  io.stdout.write(json ? `${JSON.stringify(object)}\n` : `${text}\n`)
}
