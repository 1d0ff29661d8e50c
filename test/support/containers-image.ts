import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Files that podman and skopeo read instead of the machine's own. */
export interface ContainersConfig {
  readonly registriesConf: string
  readonly policy: string
  readonly env: Readonly<Record<string, string>>
}

/** Settings under which `registry` is pulled through `mirror` (host:port, plain HTTP) and nowhere else is configured. */
export async function containersConfig(directory: string, registry: string, mirror: string): Promise<ContainersConfig> {
  const registriesConf = join(directory, 'registries.conf')
  const policy = join(directory, 'policy.json')
  const lines = [
    '[[registry]]',
    `prefix = "${registry}"`,
    `location = "${registry}"`,
    '[[registry.mirror]]',
    `location = "${mirror}"`,
    'insecure = true',
    '',
  ]
  await writeFile(registriesConf, lines.join('\n'))
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
  const auth = join(directory, 'auth.json')
  await writeFile(auth, '{}')
  const env = { CONTAINERS_REGISTRIES_CONF: registriesConf, REGISTRY_AUTH_FILE: auth }
  return { registriesConf, policy, env }
}
