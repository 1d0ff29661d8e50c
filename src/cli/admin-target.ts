import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { readTokenFile } from '../admin/index.ts'
import { addressText, reachedHere } from '../base/address.ts'
import { ShoalError } from '../base/errors.ts'
import { ownConfigFile } from './own-config.ts'

/** Where an agent's admin server is reached: over its unix socket, or over TCP, with a token or without. */
export type AdminTarget =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'url'; readonly url: URL; readonly token: string | undefined }

interface AdminChoice {
  /** `--admin`: a URL, a socket's path, or `unix:` and that. */
  readonly admin?: string | undefined
  /** `--token-file`. */
  readonly tokenFile?: string | undefined
}

type Env = Readonly<Record<string, string | undefined>>

export const DEFAULT_ADMIN = 'http://127.0.0.1:7072'

/**
 * Which admin server is meant: what `--admin` or SHOAL_ADMIN says; else this host's own, as its configuration says
 * (SHOAL_CONFIG, /etc/shoal/agent.yaml and SHOAL_ variables): first its socket, then its port; with the token from its
 * file where it has no socket. Throws `CONFIG_INVALID` for a choice that will not do.
 */
export async function adminTargets(choice: AdminChoice, env: Env): Promise<readonly AdminTarget[]> {
  const admin = choice.admin ?? filled(env.SHOAL_ADMIN)
  const tokenFile = choice.tokenFile ?? filled(env.SHOAL_TOKEN_FILE)
  const token = tokenFile === undefined ? undefined : await readTokenFile(tokenFile)
  if (admin !== undefined) return [namedTarget(admin, token)]
  const own = await ownPlaces(env)
  const url = new URL(own.url)
  if (token !== undefined) return [{ kind: 'url', url, token }]
  const socket = await usableSocket(own.socket, own.isConfigured)
  // Whoever listens there while the agent is down must not be told its token: the socket is the way, where there is one.
  const found = own.socket === undefined ? await readTokenFile(own.tokenFile).catch(() => undefined) : undefined
  return [...(socket === undefined ? [] : [socket]), { kind: 'url', url, token: found }]
}

/** A socket that an agent names: worth a try where this user may use it. It is told no token. */
export async function hintedSocket(path: string | undefined): Promise<AdminTarget | undefined> {
  return path === undefined ? undefined : usableSocket(path, true)
}

export function targetText(target: AdminTarget): string {
  return target.kind === 'socket' ? target.path : target.url.origin
}

function namedTarget(admin: string, token: string | undefined): AdminTarget {
  const path = admin.startsWith('unix:') ? admin.slice('unix:'.length) : admin
  if (path.startsWith('/')) return { kind: 'socket', path: resolve(path) }
  const url = URL.parse(admin)
  if (url !== null && ['http:', 'https:'].includes(url.protocol)) return { kind: 'url', url, token }
  throw new ShoalError('CONFIG_INVALID', `--admin ${admin}: neither a URL such as ${DEFAULT_ADMIN} nor a socket's path`)
}

interface OwnPlaces {
  readonly url: string
  readonly tokenFile: string
  readonly socket: string | undefined
  /** Somebody has said so, rather than the directory one happens to be in. */
  readonly isConfigured: boolean
}

/** What is wrong with a configuration is not this command's to say: then it is as if there was none. */
async function ownPlaces(env: Env): Promise<OwnPlaces> {
  // what few commands need, and slow to load
  const { adminFiles, defaultConfig, loadConfig } = await import('../config/index.ts')
  const file = await ownConfigFile(env)
  const loaded = await loadConfig({ file, env }).catch(() => undefined)
  const config = loaded?.config ?? defaultConfig()
  const { listen } = config.admin
  const url = listen.port === 0 ? DEFAULT_ADMIN : `http://${addressText(reachedHere(listen))}`
  const isConfigured = loaded !== undefined && (file !== undefined || env.SHOAL_STORE_PATH !== undefined)
  return { url, ...adminFiles(config), isConfigured }
}

/** In a directory that one happens to be in, only a socket of one's own is believed. */
async function usableSocket(path: string | undefined, isConfigured: boolean): Promise<AdminTarget | undefined> {
  if (path === undefined) return undefined
  const found = await stat(path).catch(() => undefined)
  if (found?.isSocket() !== true || (!isConfigured && found.uid !== process.getuid?.())) return undefined
  const isUsable = await access(path, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  )
  return isUsable ? { kind: 'socket', path } : undefined
}

function filled(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
