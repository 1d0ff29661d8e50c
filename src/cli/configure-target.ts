import { addressText, reachedHere } from '../base/address.ts'
import { ShoalError } from '../base/errors.ts'
import { loadConfig } from '../config/index.ts'
import { mirroredRegistries, parseRegistry } from '../setup/index.ts'
import { ownConfigFile } from './own-config.ts'

interface TargetOptions {
  readonly config?: string | undefined
  readonly mirror?: string | undefined
  readonly registry: readonly string[]
  readonly root: string
}

/** Where a runtime is sent, and for which registries. */
export interface SetupTarget {
  readonly mirror: string
  readonly registries: readonly string[]
}

/**
 * What the options say, and for the rest this host's agent's configuration; without a file, an agent that has none. Throws
 * `CONFIG_INVALID`.
 */
export async function setupTarget(
  options: TargetOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<SetupTarget> {
  const given = options.registry.map(givenRegistry)
  const mirror = options.mirror === undefined ? undefined : givenMirror(options.mirror)
  if (mirror !== undefined && given.length > 0) return { mirror, registries: given }
  const file = options.config ?? (await ownConfigFile(env, options.root))
  const { config } = await loadConfig({ file, env })
  const { listen } = config.mirror
  if (mirror === undefined && listen.port === 0)
    throw usage('mirror.listen: the port is any free one; give a fixed one, or --mirror')
  const names = config.upstreams.map(({ name }) => name)
  const registries = given.length > 0 ? given : mirroredRegistries(names, config.search)
  if (registries.length === 0) throw usage("upstreams: none is called by a registry's name; give --registry")
  return {
    mirror: mirror ?? `http://${addressText(reachedHere(listen))}`,
    registries: [...new Set(registries)],
  }
}

function givenRegistry(text: string): string {
  const registry = parseRegistry(text)
  if (registry === undefined)
    throw usage(`--registry ${text}: not a registry's host such as registry.corp:5000, nor "*"`)
  return registry
}

function givenMirror(text: string): string {
  const url = URL.parse(text)
  const isPlain = url?.protocol === 'http:' && url.pathname === '/' && url.search === '' && url.username === ''
  if (url === null || !isPlain) throw usage(`--mirror ${text}: not an address such as http://127.0.0.1:7070`)
  return url.origin
}

function usage(message: string): ShoalError {
  return new ShoalError('CONFIG_INVALID', message)
}
