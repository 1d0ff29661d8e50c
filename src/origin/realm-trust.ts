import { isIP } from 'node:net'

/** Second-level labels under which countries register names (co.uk, com.cn): there, a domain has three labels. */
const PUBLIC_SECOND_LEVEL = new Set(['ac', 'co', 'com', 'edu', 'go', 'gov', 'ne', 'net', 'or', 'org'])

/**
 * Whether the fleet's credentials for `registry` may go to the token server `realm`, which the registry itself names:
 * only to the same host or one of the same registrable domain, never in clear when the registry speaks TLS. IP
 * addresses and localhost have no domain: they must be the same host.
 */
export function mayReceiveCredentials(realm: URL, registry: URL): boolean {
  if (realm.protocol !== 'https:' && registry.protocol === 'https:') return false
  if (realm.hostname === registry.hostname) return true
  const domain = registrableDomain(realm.hostname)
  return domain !== undefined && domain === registrableDomain(registry.hostname)
}

function registrableDomain(hostname: string): string | undefined {
  if (isIP(hostname) !== 0 || hostname.startsWith('[')) return undefined
  const labels = hostname.replace(/\.$/, '').split('.')
  const [second = '', top = ''] = labels.slice(-2)
  if (labels.length < 2 || top === 'localhost') return undefined
  const count = top.length === 2 && PUBLIC_SECOND_LEVEL.has(second) ? 3 : 2
  return labels.length < count ? undefined : labels.slice(-count).join('.')
}
