import { planHosts } from './hosts-toml.ts'
import type { FileView, SetupGoal, SetupPlan } from './interface.ts'
import { parseToml } from './toml-text.ts'

const NERDCTL_TOML = '/etc/nerdctl/nerdctl.toml'
const CERTS_DIR = '/etc/containerd/certs.d'

/** nerdctl reads hosts.toml by itself, from containerd's directory if its own configuration names no other. */
export function planNerdctl(goal: SetupGoal, view: FileView): SetupPlan {
  const { hosts_dir: directories } = parseToml(NERDCTL_TOML, view.read(NERDCTL_TOML) ?? '')
  const [first]: unknown[] = Array.isArray(directories) ? directories : []
  const options = {
    certsDir: typeof first === 'string' ? first : CERTS_DIR,
    mirror: goal.mirror,
    capabilities: ['pull', 'resolve'] as const,
  }
  return { files: goal.registries.map((registry) => planHosts(registry, options, view)), notes: [] }
}
