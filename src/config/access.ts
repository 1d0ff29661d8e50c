import type { AccessMode } from '../origin/index.ts'
import type { Settings } from './schema.ts'

type WrittenUpstream = Pick<Settings['upstreams'][number], 'access' | 'origins'>

/** Whether a registry of the upstream is asked with the fleet's own credentials, if its access mode lets it. */
export function hasRegistryCredentials({ origins }: WrittenUpstream): boolean {
  return origins.some((origin) => origin.kind === 'registry' && origin.credentials !== null)
}

/** The access mode in force: as written, else `node` where there are credentials to use and `public` where not. */
export function accessOf(upstream: WrittenUpstream): AccessMode {
  return upstream.access ?? (hasRegistryCredentials(upstream) ? 'node' : 'public')
}
