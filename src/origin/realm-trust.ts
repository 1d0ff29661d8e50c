import { getDomain } from 'tldts'
import type { Reach } from './address-guard.ts'

/** Registries that keep their token server on a domain of another name. */
const KNOWN_REALMS: Readonly<Record<string, readonly string[]>> = {
  'registry.redhat.io': ['sso.redhat.com'],
  'registry.connect.redhat.com': ['sso.redhat.com'],
}

/**
 * What a token server that a registry names is to the operator: `listed` in the configuration, `own` (the registry's),
 * or a `stranger`.
 */
export type RealmTrust = 'listed' | 'own' | 'stranger'

/**
 * Judges the token server `realm`, which the registry itself names. Never trusted in clear when the registry speaks
 * TLS. Otherwise its own are those on a host of the same owner (the same host, or the same registrable domain by the
 * public suffix list; IP addresses and localhost have no domain), on the registry's port or the scheme's default: any
 * other port may belong to somebody else. `listed`: `host`, `host:port` or a URL; without a port it stands for the same
 * two.
 */
export function realmTrust(realm: URL, registry: URL, listed: readonly string[] = []): RealmTrust {
  if (realm.protocol !== 'https:' && registry.protocol === 'https:') return 'stranger'
  const all = [...listed, ...(KNOWN_REALMS[registry.hostname] ?? [])]
  if (all.some((entry) => isListed(entry, realm, registry))) return 'listed'
  const isOwner = realm.hostname === registry.hostname || sameDomain(realm.hostname, registry.hostname)
  return isOwner && isUsualPort(realm, registry) ? 'own' : 'stranger'
}

/** Whether the fleet's credentials for `registry` may go to `realm`. */
export function mayReceiveCredentials(realm: URL, registry: URL, listed: readonly string[] = []): boolean {
  return realmTrust(realm, registry, listed) !== 'stranger'
}

/** How far a request to such a token server may reach. A stranger is asked as anybody would ask it, or not at all. */
export const REACH_OF_REALM: Readonly<Record<RealmTrust, Reach>> = {
  listed: 'listed',
  own: 'registry',
  stranger: 'public',
}

/** The origin and port that an entry of `trustedRealms` stands for; undefined for anything else. */
export function parseRealmEntry(entry: string): URL | undefined {
  const hasScheme = /^https?:\/\//i.test(entry)
  const text = hasScheme ? entry : `https://${entry}`
  const url = URL.parse(text)
  if (url === null) return undefined
  const isPlain = url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  return isPlain && (hasScheme || url.pathname === '/') ? url : undefined
}

function isListed(entry: string, realm: URL, registry: URL): boolean {
  const url = parseRealmEntry(entry)
  if (url === undefined || url.hostname !== realm.hostname) return false
  if (/^https?:\/\//i.test(entry)) return url.origin === realm.origin
  // the URL parser leaves out 443, also where it was written
  const port = /:(\d+)$/.exec(entry)?.[1]
  return port === undefined ? isUsualPort(realm, registry) : Number(port) === portOf(realm)
}

function isUsualPort(realm: URL, registry: URL): boolean {
  return realm.port === '' || portOf(realm) === portOf(registry)
}

function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
}

function sameDomain(a: string, b: string): boolean {
  const domain = getDomain(a, { allowPrivateDomains: true })
  // everybody's names end in localhost
  return domain !== null && !domain.endsWith('.localhost') && domain === getDomain(b, { allowPrivateDomains: true })
}
