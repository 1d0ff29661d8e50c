import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'
import type { HelperAnswer } from './credential-helper.ts'
import { askCredentialHelper } from './credential-helper.ts'

export interface BasicCredentials {
  readonly username: string
  readonly password: string
}

/** How this host logs in to a registry: by name and password, or by a token of the registry's own token server. */
export type RegistryLogin =
  | ({ readonly kind: 'basic' } & BasicCredentials)
  | { readonly kind: 'identity'; readonly token: string }

// Go's clients, which write these files, take null for what is left out
const entrySchema = z.object({
  auth: z.string().nullish(),
  username: z.string().nullish(),
  password: z.string().nullish(),
  identitytoken: z.string().nullish(),
})

const fileSchema = z.object({
  auths: z.record(z.string(), entrySchema.nullable()).nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
  credsStore: z.string().nullish(),
})

/** The user name that says that the secret is an identity token. */
const TOKEN_USER = '<token>'
/** What helpers know Docker Hub by. */
const HUB_SERVER = 'https://index.docker.io/v1/'
/** The names Docker Hub has in a config.json. */
const DOCKER_HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com']

/**
 * The credentials for a repository of `host` (`name[:port]`) by a Docker client's config.json: the entry with the
 * longest path that the repository lies below, or what a credential helper keeps. Throws `CONFIG_INVALID`, naming the
 * file and what to do, when the file cannot be read, has none for this host, or its helper fails.
 */
export async function readDockerCredentials(
  file: string,
  host: string,
  repository: string,
  signal: AbortSignal,
): Promise<RegistryLogin> {
  const config = await readConfig(file)
  const names = DOCKER_HUB.includes(host) ? DOCKER_HUB : [host]
  const entries = entriesAbove(config.auths ?? {}, names, repository)
  const inline = entries
    .map(({ value }) => (value === null ? undefined : inlineLogin(value)))
    .find((login) => login !== undefined)
  const [special] = entriesAbove(config.credHelpers ?? {}, names, repository)
  // as docker and skopeo do: a host's own helper goes before what the file has, the one for all hosts after it
  if (special === undefined && inline !== undefined) return inline
  const helper = special?.value || config.credsStore || undefined
  const server = special?.key ?? (names === DOCKER_HUB ? HUB_SERVER : host)
  const kept = helper === undefined ? undefined : await keptBy(helper, server, inline !== undefined, signal)
  if (kept !== undefined) return loginOf(kept)
  if (inline !== undefined) return inline
  const where = helper === undefined ? '' : ` and none in the helper "${helper}"`
  throw wrong(file, `has no credentials for ${host}${where}; log in to it, or remove the credentials setting`)
}

/** A helper that fails matters only where there is nothing else. */
async function keptBy(helper: string, server: string, hasOther: boolean, signal: AbortSignal) {
  try {
    return await askCredentialHelper(helper, server, signal)
  } catch (error) {
    if (hasOther && isShoalError(error, 'CONFIG_INVALID')) return undefined
    throw error
  }
}

/** The entries for one of `names` with a path above the repository, the longest first. */
function entriesAbove<T>(entries: Readonly<Record<string, T>>, names: readonly string[], repository: string) {
  const wanted = names.map((name) => `${name}/${repository}/`)
  const fitting = Object.entries(entries).flatMap(([key, value]) => {
    const place = placeOfKey(key)
    return wanted.some((path) => path.startsWith(`${place}/`)) ? [{ key, place, value }] : []
  })
  // the hub has names of different lengths
  return fitting.toSorted((a, b) => pathOf(b.place).length - pathOf(a.place).length)
}

function pathOf(place: string): string {
  const slash = place.indexOf('/')
  return slash < 0 ? '' : place.slice(slash)
}

function loginOf({ username, secret }: HelperAnswer): RegistryLogin {
  return username === TOKEN_USER ? { kind: 'identity', token: secret } : { kind: 'basic', username, password: secret }
}

async function readConfig(file: string) {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw wrong(file, `cannot be read: ${errorText(cause)}`)
  }
  const json = parseJson(text)
  if (json === undefined) throw wrong(file, 'cannot be read: it is not JSON')
  const parsed = fileSchema.safeParse(json)
  if (parsed.success) return parsed.data
  throw wrong(file, `is no Docker config.json: ${parsed.error.issues[0]?.path.join('.')} is wrong`)
}

function inlineLogin(entry: z.infer<typeof entrySchema>): RegistryLogin | undefined {
  if (entry.identitytoken) return { kind: 'identity', token: entry.identitytoken }
  if (entry.username && entry.password) return { kind: 'basic', username: entry.username, password: entry.password }
  const text = Buffer.from(entry.auth ?? '', 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon <= 0) return undefined
  return { kind: 'basic', username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') }
}

/** Keys are hosts, hosts with a port or path, or URLs such as `https://index.docker.io/v1/`, whose path means nothing. */
function placeOfKey(key: string): string {
  const text = key.replace(/^https?:\/\//, '').replace(/\/+$/, '')
  const isUrl = text.length < key.replace(/\/+$/, '').length
  const place = isUrl || /\/v[12]$/.test(text) ? (text.split('/', 1)[0] ?? '') : text
  return place.toLowerCase().replace(/^([^/]+):443(?=\/|$)/, '$1')
}

function wrong(file: string, message: string): ShoalError {
  return new ShoalError('CONFIG_INVALID', `${file} ${message}`)
}
