import { join } from 'node:path'
import type { FileNeeds, FileView, SetupGoal, SetupPlan } from './interface.ts'
import { ANY_REGISTRY } from './interface.ts'
import { byName, mirrorHost, registryInPath } from './names.ts'
import { refusal } from './refusal.ts'
import type { TomlTable } from './toml-text.ts'
import { isTable, parseToml } from './toml-text.ts'

const MAIN = '/etc/containers/registries.conf'
const DROP_INS = '/etc/containers/registries.conf.d'
const OWN = join(DROP_INS, '50-shoal.conf')

interface RegistryTable {
  readonly file: string
  readonly prefix: string
  readonly table: TomlTable
}

/** registries.conf(5), for podman, buildah, skopeo and CRI-O: a file of its own among the drop-ins. */
export function planContainers(goal: SetupGoal, view: FileView, needs: FileNeeds): SetupPlan {
  const named = goal.registries.filter((registry) => registry !== ANY_REGISTRY)
  if (named.length === 0)
    throw refusal('nothing to write: registries.conf has no word for all registries; name them with --registry')
  const tables = registryTables(view)
  const blocks = named.map((registry) => block(registry, goal.mirror, tables))
  const text = `# Written by "shoal configure", which can take it back: --undo\n\n${blocks.join('\n')}`
  parseToml(OWN, text)
  return { files: [{ path: OWN, text, needs }], notes: notesOf(goal, named, tables) }
}

function notesOf(
  { registries, mirror }: SetupGoal,
  named: readonly string[],
  tables: readonly RegistryTable[],
): string[] {
  const narrower = tables.filter(({ prefix }) => named.some((registry) => prefix.startsWith(`${registry}/`)))
  return [
    ...narrower.map(
      ({ file, prefix }) => `${file} has a table of its own for ${prefix}, which goes on not to use the mirror`,
    ),
    ...(registries.includes(ANY_REGISTRY)
      ? [`registries.conf has no word for all registries: name more with --registry, or ${byName('REGISTRY', mirror)}`]
      : []),
  ]
}

/** Every table that the files have, in the order in which they are read; of two for one prefix the later counts. */
function registryTables(view: FileView): readonly RegistryTable[] {
  const dropIns = view
    .list(DROP_INS)
    .filter((name) => name.endsWith('.conf'))
    .map((name) => join(DROP_INS, name))
  return [MAIN, ...dropIns].filter((path) => path !== OWN).flatMap((file) => tablesOf(file, view.read(file) ?? ''))
}

function tablesOf(file: string, text: string): RegistryTable[] {
  const parsed = parseToml(file, text)
  if ('registries' in parsed) {
    throw refusal(
      `${file} is in the old form ([registries.search] and the like), which does not go with mirrors; convert it first (man containers-registries.conf)`,
    )
  }
  const { registry } = parsed
  const tables: unknown[] = Array.isArray(registry) ? registry : []
  return tables.filter(isTable).flatMap((table) => {
    const prefix = table.prefix ?? table.location
    return typeof prefix === 'string' ? [{ file, prefix, table }] : []
  })
}

/** A registry's table, with what another file says of it: this one takes the other's place. */
function block(registry: string, mirror: string, tables: readonly RegistryTable[]): string {
  const old = tables.findLast(({ prefix }) => prefix === registry)
  const ours = { location: `${mirrorHost(mirror)}/${registryInPath(registry)}`, insecure: true }
  if (old !== undefined && old.file > OWN) {
    const table = tableText('[[registry.mirror]]', ours)
    throw refusal(`${old.file} has a table for ${registry}, and is read after ${OWN}`, table)
  }
  const { mirror: others, ...rest } = old?.table ?? {}
  const mirrors: TomlTable[] = Array.isArray(others) ? others.filter(isTable) : []
  const head = { ...rest, prefix: registry, location: rest.location ?? registry }
  const all = [ours, ...mirrors.filter(({ location }) => location !== ours.location)]
  return [tableText('[[registry]]', head), ...all.map((one) => tableText('[[registry.mirror]]', one))].join('\n')
}

/** Their values are strings, numbers, truth values and lists of them, which JSON writes alike. */
function tableText(header: string, table: TomlTable): string {
  const lines = Object.entries(table).map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
  return `${[header, ...lines].join('\n')}\n`
}
