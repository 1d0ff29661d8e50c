import { ShoalError } from '../base/errors.ts'
import type { AccessMode, OriginConfig, OriginSettings, OriginUse } from './config.ts'
import { DirectoryReader } from './directory-reader.ts'
import type { Origin } from './interface.ts'
import { LayoutOrigin } from './layout-origin.ts'
import { LazyS3Reader } from './lazy-s3-reader.ts'
import { MeteredOrigin } from './metered-origin.ts'
import { OciLayoutOrigin } from './oci-layout-origin.ts'
import type { OriginDeps, OriginOptions } from './options.ts'
import { DEFAULT_ORIGIN_OPTIONS } from './options.ts'
import { OriginChain } from './origin-chain.ts'
import { RegistryOrigin } from './registry-origin.ts'
import { RenamedOrigin } from './renamed-origin.ts'

/** An origin of the configured kind, with metrics. Does no I/O: that starts with the first question. */
export function openOrigin(config: OriginConfig, deps: OriginDeps, options: Partial<OriginOptions> = {}): Origin {
  const complete = { ...DEFAULT_ORIGIN_OPTIONS, ...options }
  const origin = createOrigin(config, deps, complete)
  const named = config.repository == null ? origin : new RenamedOrigin(origin, config.repository)
  return new MeteredOrigin(named, deps.metrics, deps.clock)
}

/**
 * All origins of one upstream, in order. Throws `CONFIG_INVALID` when a bucket or directory would serve an upstream
 * with `access: passthrough`: neither can check a client's own proof, so everybody would be let in.
 */
export function openOriginChain(
  upstream: { readonly name: string; readonly access: AccessMode; readonly origins: readonly OriginSettings[] },
  deps: OriginDeps,
  options: Partial<OriginOptions> = {},
): OriginChain {
  const { name, access, origins } = upstream
  const open = origins.map((settings) => {
    if (settings.kind === 'registry') return openOrigin({ ...settings, access }, deps, options)
    if (access !== 'passthrough') return openOrigin(settings, deps, options)
    throw new ShoalError(
      'CONFIG_INVALID',
      `upstream ${name}: access passthrough needs origins of kind registry; ${settings.kind} cannot check a client's token`,
    )
  })
  const registries = origins.some(({ kind }) => kind === 'registry')
  return new OriginChain(open, deps, new Map(open.map((origin, i) => [origin, usesOf(origins[i]!, registries)])))
}

/**
 * What an origin is asked for. Registries that keep tags in a database leave old ones in their bucket: files are the
 * truth about tags only where they stand alone, or where the configuration says so.
 */
function usesOf({ kind, use }: OriginSettings, besideRegistry: boolean): readonly OriginUse[] {
  return use ?? (kind !== 'registry' && besideRegistry ? ['pull'] : ['resolve', 'pull'])
}

function createOrigin(config: OriginConfig, deps: OriginDeps, options: OriginOptions): Origin {
  switch (config.kind) {
    case 's3':
      return new LayoutOrigin(new LazyS3Reader(config, deps, options), deps.clock)
    case 'directory':
      return new LayoutOrigin(new DirectoryReader(config.path, deps.logger), deps.clock)
    case 'layout':
      return new OciLayoutOrigin(new DirectoryReader(config.path, deps.logger), config.path)
    case 'registry':
      return new RegistryOrigin(config, deps, options)
  }
}
