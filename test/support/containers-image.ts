import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { docsBlock } from './docs-block.ts'

/** Files that podman and skopeo read instead of the machine's own. */
export interface ContainersConfig {
  readonly registriesConf: string
  readonly policy: string
  readonly env: Readonly<Record<'CONTAINERS_REGISTRIES_CONF' | 'REGISTRY_AUTH_FILE', string>>
}

/**
 * The settings of docs/runtimes.md under which `registry` is pulled through `mirror` (host:port of an agent), and nowhere
 * else is configured.
 */
export async function containersConfig(directory: string, registry: string, mirror: string): Promise<ContainersConfig> {
  const registriesConf = join(directory, 'registries.conf')
  const policy = join(directory, 'policy.json')
  const settings = docsBlock('docs/runtimes.md', 'registries.conf', {
    'registry.corp': registry,
    '127.0.0.1:7070': mirror,
  })
  await writeFile(registriesConf, settings)
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
  const auth = join(directory, 'auth.json')
  await writeFile(auth, '{}')
  const env = { CONTAINERS_REGISTRIES_CONF: registriesConf, REGISTRY_AUTH_FILE: auth }
  return { registriesConf, policy, env }
}
