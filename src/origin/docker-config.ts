import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { errorText, ShoalError } from '../base/errors.ts'

export interface BasicCredentials {
  readonly username: string
  readonly password: string
}

const entrySchema = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
})

const fileSchema = z.object({
  auths: z.record(z.string(), entrySchema).default({}),
  credHelpers: z.record(z.string(), z.string()).default({}),
  credsStore: z.string().optional(),
})

/** The names Docker Hub has in a config.json. */
const DOCKER_HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io']

/**
 * The credentials for `host` (`name[:port]`) in a Docker client's config.json. Throws `CONFIG_INVALID`, naming the
 * file and what to do, when the file cannot be read, has none for this host, or keeps them where only a helper
 * program could get at them.
 */
export async function readDockerCredentials(file: string, host: string): Promise<BasicCredentials> {
  const config = await readConfig(file)
  const names = DOCKER_HUB.includes(host) ? DOCKER_HUB : [host]
  const [, entry] = Object.entries(config.auths).find(([key]) => names.includes(hostOfKey(key))) ?? []
  if (entry?.identitytoken) {
    throw wrong(file, `has an identity token for ${host}, which is not supported; use a user name and access token`)
  }
  const inline = entry === undefined ? undefined : inlineCredentials(entry)
  if (inline !== undefined) return inline
  const helper = names.map((name) => config.credHelpers[name]).find((name) => name !== undefined) ?? config.credsStore
  if (helper !== undefined) {
    throw wrong(
      file,
      `keeps the credentials for ${host} in the helper "${helper}", which is not supported; ` +
        'write them into the file (auths) or set username and password',
    )
  }
  throw wrong(file, `has no credentials for ${host}; log in to it, or remove the credentials setting`)
}

async function readConfig(file: string) {
  let json: unknown
  try {
    json = JSON.parse(await readFile(file, 'utf8'))
  } catch (cause) {
    // A JSON error quotes the text around the mistake, and that may be a password.
    const why = cause instanceof SyntaxError ? 'it is not JSON' : errorText(cause)
    throw wrong(file, `cannot be read: ${why}`)
  }
  const parsed = fileSchema.safeParse(json)
  if (parsed.success) return parsed.data
  throw wrong(file, `is no Docker config.json: ${parsed.error.issues[0]?.path.join('.')} is wrong`)
}

function inlineCredentials(entry: z.infer<typeof entrySchema>): BasicCredentials | undefined {
  if (entry.username && entry.password) return { username: entry.username, password: entry.password }
  const text = Buffer.from(entry.auth ?? '', 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon <= 0
    ? undefined
    : { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') }
}

/** Keys are hosts, or URLs such as `https://index.docker.io/v1/`. */
function hostOfKey(key: string): string {
  return (key.replace(/^https?:\/\//, '').split('/', 1)[0] ?? '').toLowerCase()
}

function wrong(file: string, message: string): ShoalError {
  return new ShoalError('CONFIG_INVALID', `${file} ${message}`)
}
