import { join } from 'node:path'
import { DOCKER_HUB } from '../oci/reference.ts'
import type { FileView, PlannedFile } from './interface.ts'
import { ANY_REGISTRY } from './interface.ts'
import type { TomlTable } from './toml-text.ts'
import {
  appended,
  checkEdit,
  headerLine,
  isTable,
  parseToml,
  setTomlKey,
  tomlAt,
  tomlHeader,
  tomlValueText,
} from './toml-text.ts'

/** What a host of hosts.toml may be asked. A word that a runtime does not know makes it drop the whole file. */
type Capability = 'pull' | 'resolve' | 'referrers'

interface HostsOptions {
  /** Where the directories of registries are. */
  readonly certsDir: string
  readonly mirror: string
  readonly capabilities: readonly Capability[]
  /** Registries that the runtime asks without proof of who they are, or without TLS at all. */
  readonly isInsecure?: (registry: string) => boolean
}

/** `hosts.toml` of a registry: containerd's form, which nerdctl and Docker's containerd store read, too. */
export function planHosts(registry: string, options: HostsOptions, view: FileView): PlannedFile {
  const directory = join(options.certsDir, directoryName(registry, options.certsDir, view))
  const path = join(directory, 'hosts.toml')
  const old = view.read(path)
  const text =
    old === undefined || old.trim() === ''
      ? `${newHead(registry, directory, options, view)}${hostBlock(options)}`
      : withHost(path, old, options)
  return { path, text, needs: 'nothing' }
}

/** containerd looks for `host_port_` first, then `host:port`, and reads one of them only. */
function directoryName(registry: string, certsDir: string, view: FileView): string {
  if (registry === ANY_REGISTRY) return '_default'
  const portless = registry.replace(/:(\d+)$/, '_$1_')
  return portless !== registry && view.list(certsDir).includes(portless) ? portless : registry
}

function newHead(registry: string, directory: string, options: HostsOptions, view: FileView): string {
  const lines = ['# Written by "shoal configure", which can take it back: --undo', ...serverLines(registry, options)]
  return `${[...lines, ...certificateLines(directory, view)].join('\n')}\n\n`
}

/** Without a server, the registry itself: over TLS, or not where it is this machine's. */
function serverLines(registry: string, { isInsecure }: HostsOptions): string[] {
  if (registry === ANY_REGISTRY || /^(?:localhost|127\.[\d.]+)(?::|$)/.test(registry)) return []
  if (registry === DOCKER_HUB) return ['server = "https://registry-1.docker.io"']
  // what this means to containerd: TLS without a look at the certificate, and where there is none, plain HTTP
  if (isInsecure?.(registry) === true) return [`server = "http://${registry}"`, 'skip_verify = true']
  return [`server = "https://${registry}"`]
}

/** Certificates beside hosts.toml are used only where there is no hosts.toml: they have to be named in it. */
function certificateLines(directory: string, view: FileView): string[] {
  const names = view.list(directory)
  const authorities = names.filter((name) => name.endsWith('.crt')).map((name) => join(directory, name))
  const pairs = names
    .filter((name) => name.endsWith('.cert') && names.includes(name.replace(/cert$/, 'key')))
    .map((name) => [join(directory, name), join(directory, name.replace(/cert$/, 'key'))])
  return [
    ...(authorities.length === 0 ? [] : [`ca = ${tomlValueText(authorities)}`]),
    ...(pairs.length === 0 ? [] : [`client = [${pairs.map(tomlValueText).join(', ')}]`]),
  ]
}

function hostBlock({ mirror, capabilities }: HostsOptions): string {
  return `${tomlHeader(['host', mirror])}\n  capabilities = ${tomlValueText(capabilities)}\n`
}

/** The mirror as the first host of a file that somebody else has written. */
function withHost(path: string, text: string, options: HostsOptions): string {
  const { mirror, capabilities } = options
  const before = parseToml(path, text)
  const own = tomlAt(before, ['host', mirror])
  if (isTable(own)) return withCapabilities(path, text, own, options)
  const block = hostBlock(options)
  const lines = text.split('\n')
  const first = headerLine(lines, ([table]) => table === 'host')
  const edited = first < 0 ? appended(text, block) : lines.toSpliced(first, 0, ...block.split('\n')).join('\n')
  const hosts = isTable(before.host) ? before.host : {}
  checkEdit(path, edited, { ...before, host: { [mirror]: { capabilities }, ...hosts } }, block)
  return edited
}

/** Without the key, a host may be asked everything. */
function withCapabilities(path: string, text: string, own: TomlTable, { mirror, capabilities }: HostsOptions): string {
  const old = own.capabilities
  if (!Array.isArray(old)) return text
  const has: string[] = old.filter((one) => typeof one === 'string')
  const missing = capabilities.filter((one) => !has.includes(one))
  return missing.length === 0 ? text : setTomlKey(path, text, ['host', mirror], 'capabilities', [...has, ...missing])
}
