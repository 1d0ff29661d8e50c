import type { FileView, SetupGoal, SetupPlan } from './interface.ts'
import { ANY_REGISTRY } from './interface.ts'
import { byName, mirrorHost } from './names.ts'
import { refusal } from './refusal.ts'
import { parseToml, setTomlKey, tomlAt } from './toml-text.ts'

const BUILDKITD_TOML = '/etc/buildkit/buildkitd.toml'

/** buildkitd has one file, a table for each registry, and one that says that the mirror speaks plain HTTP. */
export function planBuildkit(goal: SetupGoal, view: FileView): SetupPlan {
  const named = goal.registries.filter((registry) => registry !== ANY_REGISTRY)
  if (named.length === 0)
    throw refusal('nothing to write: buildkitd.toml has no word for all registries; name them with --registry')
  const mirror = mirrorHost(goal.mirror)
  const old = view.read(BUILDKITD_TOML) ?? ''
  const routed = named.reduce((text, registry) => withMirror(text, registry, mirror), old)
  const text = setTomlKey(BUILDKITD_TOML, routed, ['registry', mirror], 'http', true)
  const notes = goal.registries.includes(ANY_REGISTRY)
    ? [
        `buildkitd.toml has no word for all registries: name more with --registry, or ${byName('REGISTRY', goal.mirror)}`,
      ]
    : []
  return { files: [{ path: BUILDKITD_TOML, text, needs: 'restart' }], notes }
}

function withMirror(text: string, registry: string, mirror: string): string {
  const old = tomlAt(parseToml(BUILDKITD_TOML, text), ['registry', registry, 'mirrors'])
  const mirrors: string[] = Array.isArray(old) ? old.filter((one) => typeof one === 'string') : []
  if (mirrors.includes(mirror)) return text
  return setTomlKey(BUILDKITD_TOML, text, ['registry', registry], 'mirrors', [mirror, ...mirrors])
}
