import { isIP } from 'node:net'
import { parse } from 'tldts'
import type { OriginSettings, RegistryOriginSettings } from './config.ts'

/** Where an origin's url has the registry that is meant. */
const PLACE = '{upstream}'
const STRAIGHT: RegistryOriginSettings = { kind: 'registry', url: `https://${PLACE}` }
/** Below it, but for 443, other services listen than registries. */
const FIRST_USER_PORT = 1024

/**
 * Whether a registry that nobody has configured may be asked on a stranger's word: a name below a suffix that is really on the
 * internet, at a port where registries are. Whatever its address turns out to be is judged where it is connected to.
 */
export function isPublicRegistryName(upstream: string): boolean {
  const colon = upstream.lastIndexOf(':')
  const host = colon < 0 || upstream.endsWith(']') ? upstream : upstream.slice(0, colon)
  const port = host === upstream ? undefined : Number(upstream.slice(colon + 1))
  if (isIP(host.replace(/^\[|\]$/g, '')) !== 0) return false
  if (port !== undefined && (port < FIRST_USER_PORT || port > 65_535)) return false
  const { domain, isIcann } = parse(host, { allowPrivateDomains: false })
  return domain !== null && isIcann === true
}

/**
 * The origins of such a registry, by those of the upstream `*`: the registry itself, of which only public addresses are
 * asked, or a mirror of many that is told which one is meant.
 */
export function originsOfAny(templates: readonly OriginSettings[], upstream: string): readonly OriginSettings[] {
  return (templates.length === 0 ? [STRAIGHT] : templates).map((origin) => {
    if (origin.kind !== 'registry') return origin
    if (!origin.url.includes(PLACE)) return { ...origin, namespace: upstream }
    return { ...origin, url: origin.url.replace(PLACE, upstream), publicOnly: true }
  })
}
