import { dirname, join, matchesGlob, resolve } from 'node:path'
import { planHosts } from './hosts-toml.ts'
import type { FileView, PlannedFile, SetupGoal, SetupPlan } from './interface.ts'
import { refusal, versionWanted } from './refusal.ts'
import type { TomlTable } from './toml-text.ts'
import { isTable, parseToml, setTomlKey, tomlAt, tomlHeader } from './toml-text.ts'
import { isAtLeast, versionText } from './version.ts'

const MAIN = '/etc/containerd/config.toml'
const CERTS_DIR = '/etc/containerd/certs.d'
const DEFAULT_IMPORTS = '/etc/containerd/conf.d/*.toml'
const OWN_NAME = '50-shoal.toml'
/** Not referrers: versions before 2.2 drop a file with the word, and none asks for them when it pulls. */
const CAPABILITIES = ['pull', 'resolve'] as const

/** The plugin of the Kubernetes interface that knows registries, by the version of the file that configures it. */
const PLUGINS: Readonly<Record<number, string>> = { 1: 'cri', 2: 'io.containerd.grpc.v1.cri' }
const PLUGIN_NOW = 'io.containerd.cri.v1.images'

interface ConfigFile {
  readonly path: string
  readonly text: string
  readonly table: TomlTable
}

/**
 * hosts.toml for each registry, which containerd's clients read; and `config_path` in containerd's own configuration,
 * without which its Kubernetes interface does not.
 */
export function planContainerd(goal: SetupGoal, view: FileView): SetupPlan {
  const { version } = goal
  if (version !== undefined && !isAtLeast(version, 1, 5)) {
    throw refusal(`containerd ${versionText(version)} does not know hosts.toml; 1.5 and later do`)
  }
  const { certsDir, file, notes } = planConfigPath(goal, view)
  const options = { certsDir, mirror: goal.mirror, capabilities: CAPABILITIES }
  const hosts = goal.registries.map((registry) => planHosts(registry, options, view))
  return { files: file === undefined ? hosts : [file, ...hosts], notes }
}

interface ConfigPath {
  readonly certsDir: string
  readonly file?: PlannedFile
  readonly notes: readonly string[]
}

function planConfigPath(goal: SetupGoal, view: FileView): ConfigPath {
  const files = configFiles(goal, view)
  const disabled = files.find(({ table }) => disables(table))
  if (disabled !== undefined) {
    const note = `${disabled.path} disables the Kubernetes interface (cri), so it is not told; nerdctl reads hosts.toml by itself, ctr with --hosts-dir ${CERTS_DIR}`
    return { certsDir: CERTS_DIR, notes: [note] }
  }
  const format = formatOf(goal, files)
  const registry = ['plugins', PLUGINS[format] ?? PLUGIN_NOW, 'registry']
  for (const one of files) refuseConflicts(one, registry)
  const owner = ownerOf(files, registry, goal)
  const set = owner === undefined ? undefined : tomlAt(owner.table, [...registry, 'config_path'])
  if (typeof set === 'string' && set !== '') return { certsDir: set.split(':')[0]!, notes: listNotes(set, owner!.path) }
  const { path, text } = owner ?? newFile(files, format, view)
  const edited = setTomlKey(path, text, registry, 'config_path', CERTS_DIR)
  return { certsDir: CERTS_DIR, file: { path, text: edited, needs: 'restart' }, notes: [] }
}

function listNotes(set: string, path: string): string[] {
  if (!set.includes(':')) return []
  return [`${path} names several directories in config_path, which containerd 2 takes for the name of one`]
}

/** The main file and what it imports, in the order in which containerd reads them. */
function configFiles(goal: SetupGoal, view: FileView): readonly ConfigFile[] {
  const text = view.read(MAIN)
  const table = parseToml(MAIN, text ?? '')
  const isImporting = goal.version !== undefined && isAtLeast(goal.version, 2, 2) && text !== undefined
  const globs = importsOf(table) ?? (isImporting ? [DEFAULT_IMPORTS] : [])
  const paths = globs.flatMap((glob) => {
    const pattern = resolve(dirname(MAIN), glob)
    const names = view.list(dirname(pattern)).map((name) => join(dirname(pattern), name))
    return names.filter((path) => path !== MAIN && matchesGlob(path, pattern))
  })
  const imported = [...new Set(paths)].map((path) => {
    const content = view.read(path) ?? ''
    return { path, text: content, table: parseToml(path, content) }
  })
  return [...(text === undefined ? [] : [{ path: MAIN, text, table }]), ...imported]
}

function importsOf({ imports }: TomlTable): readonly string[] | undefined {
  return Array.isArray(imports) ? imports.filter((one) => typeof one === 'string') : undefined
}

function disables({ disabled_plugins: disabled }: TomlTable): boolean {
  return Array.isArray(disabled) && [...Object.values(PLUGINS), PLUGIN_NOW].some((name) => disabled.includes(name))
}

/** The version of the file's form, which names plugins in its own way; a file that says nothing has the first. */
function formatOf({ version }: SetupGoal, files: readonly ConfigFile[]): number {
  const said = files.find(({ path, text }) => path === MAIN && text.trim() !== '')?.table
  if (said !== undefined) return typeof said.version === 'number' ? said.version : 1
  if (version === undefined) throw versionWanted('containerd', `${MAIN} is empty or not there`)
  return isAtLeast(version, 2) ? 3 : 2
}

/** containerd's Kubernetes interface does not start with both ways to configure registries. */
function refuseConflicts({ path, table }: ConfigFile, registry: readonly string[]): void {
  const mirrors = tomlAt(table, [...registry, 'mirrors'])
  const configs = tomlAt(table, [...registry, 'configs'])
  const tls = isTable(configs) && Object.values(configs).some((one) => isTable(one) && 'tls' in one)
  const found = isTable(mirrors) && Object.keys(mirrors).length > 0 ? 'mirrors' : tls ? 'configs.*.tls' : undefined
  if (found === undefined) return
  const what = `${path} has ${tomlHeader([...registry, found])}, with which containerd refuses config_path`
  const then = `# move what it says to ${CERTS_DIR}/<registry>/hosts.toml, take it out, then:\n`
  throw refusal(what, `${then}${tomlHeader(registry)}\n  config_path = "${CERTS_DIR}"`)
}

/**
 * The file whose word counts: containerd 1 takes a plugin's settings from the last file that has any, containerd 2 each key
 * from the last file that has it.
 */
function ownerOf(files: readonly ConfigFile[], registry: readonly string[], goal: SetupGoal): ConfigFile | undefined {
  const plugin = registry.slice(0, -1)
  const setting = files.findLast(({ table }) => typeof tomlAt(table, [...registry, 'config_path']) === 'string')
  const isMerging = goal.version !== undefined && isAtLeast(goal.version, 2)
  if (isMerging && setting !== undefined) return setting
  return files.findLast(({ table }) => isTable(tomlAt(table, plugin)))
}

/** A file of its own where the main one imports a directory; else the main one. */
function newFile(files: readonly ConfigFile[], format: number, view: FileView): { path: string; text: string } {
  const main = files.find(({ path }) => path === MAIN)
  const directory = importsOf(main?.table ?? {})?.find((glob) => /^\/[^*?[\]{}]+\/\*\.toml$/.test(glob))
  if (directory !== undefined) {
    const path = join(dirname(directory), OWN_NAME)
    return { path, text: view.read(path) ?? `version = ${format}\n` }
  }
  const isEmpty = main === undefined || main.text.trim() === ''
  return { path: MAIN, text: isEmpty ? `version = ${format}\n` : main.text }
}
