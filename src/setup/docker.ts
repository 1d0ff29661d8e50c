import { BlockList, isIP } from 'node:net'
import { DOCKER_HUB } from '../oci/reference.ts'
import { planHosts } from './hosts-toml.ts'
import type { FileView, ImageStore, PlannedFile, SetupGoal, SetupPlan } from './interface.ts'
import { ANY_REGISTRY } from './interface.ts'
import type { JsonObject } from './json-text.ts'
import { parseJsonObject, putFirst } from './json-text.ts'
import { byName } from './names.ts'
import { refusal, versionWanted } from './refusal.ts'
import { isAtLeast } from './version.ts'

const DAEMON_JSON = '/etc/docker/daemon.json'
const MIRRORS = 'registry-mirrors'
const CERTS_DIR = '/etc/docker/certs.d'
/** Where the drivers of the classic store keep what they have. */
const CLASSIC_DRIVERS = ['overlay2', 'fuse-overlayfs', 'btrfs', 'zfs', 'vfs']
/** Where dockerd's command line may be written. */
const SERVICE_FILES = [
  '/etc/systemd/system/docker.service',
  '/lib/systemd/system/docker.service',
  '/usr/lib/systemd/system/docker.service',
  '/etc/default/docker',
  '/etc/sysconfig/docker',
]
const SERVICE_DROP_INS = '/etc/systemd/system/docker.service.d'

/**
 * Docker's own image store knows mirrors for Docker Hub only, in daemon.json. Its containerd store reads hosts.toml from
 * version 29 on; before that, where a version may or may not, it gets both.
 */
export function planDocker(goal: SetupGoal, view: FileView): SetupPlan {
  const settings = parseJsonObject(DAEMON_JSON, view.read(DAEMON_JSON) ?? '')
  const store = goal.store ?? storeOf(goal, settings, view)
  if (store === 'classic') return { ...planClassic(goal, view), store }
  const { version } = goal
  if (version === undefined) throw versionWanted('dockerd', "which of hosts.toml's words Docker knows depends on it")
  // containerd's code in Docker knows the word from there on, asks for referrers, and asks only hosts that have it
  const capabilities = isAtLeast(version, 29, 1) ? (['pull', 'resolve', 'referrers'] as const) : PLAIN
  const isInsecure = insecureRegistries(settings)
  const options = { certsDir: CERTS_DIR, mirror: goal.mirror, capabilities, isInsecure }
  const files = goal.registries.map((registry) => planHosts(registry, options, view))
  const legacy = isAtLeast(version, 29) || !hasHub(goal) ? [] : [daemonJson(goal, view)]
  return { files: [...legacy, ...files], notes: [], store }
}

const PLAIN = ['pull', 'resolve'] as const

function planClassic(goal: SetupGoal, view: FileView): Pick<SetupPlan, 'files' | 'notes'> {
  const others = goal.registries.filter((registry) => registry !== DOCKER_HUB && registry !== ANY_REGISTRY)
  const notes = others.map(
    (registry) => `Docker's classic image store has mirrors for Docker Hub only; ${byName(registry, goal.mirror)}`,
  )
  if (!hasHub(goal)) throw refusal(['nothing to write: Docker Hub is not among the registries', ...notes].join('\n'))
  return { files: [daemonJson(goal, view)], notes }
}

function hasHub({ registries }: SetupGoal): boolean {
  return registries.includes(DOCKER_HUB) || registries.includes(ANY_REGISTRY)
}

function daemonJson(goal: SetupGoal, view: FileView): PlannedFile {
  const flagged = flagFile(view)
  if (flagged !== undefined) {
    const add = `--registry-mirror=${goal.mirror}`
    throw refusal(
      `${flagged} gives dockerd --registry-mirror, and dockerd does not start with mirrors in both places`,
      add,
    )
  }
  const before = view.read(DAEMON_JSON) ?? ''
  const text = putFirst(DAEMON_JSON, before, MIRRORS, goal.mirror)
  // a reload takes up what a file says, and goes on with what it no longer says
  const undoNeeds = MIRRORS in parseJsonObject(DAEMON_JSON, before) ? 'reload' : 'restart'
  return { path: DAEMON_JSON, text, needs: 'reload', undoNeeds }
}

function flagFile(view: FileView): string | undefined {
  const dropIns = view.list(SERVICE_DROP_INS).map((name) => `${SERVICE_DROP_INS}/${name}`)
  return [...SERVICE_FILES, ...dropIns].find((path) => /^[^#]*--registry-mirror\b/m.test(view.read(path) ?? ''))
}

/** As dockerd decides: what is set, what the version does by itself, and what a host had before its upgrade. */
function storeOf({ version }: SetupGoal, settings: JsonObject, view: FileView): ImageStore {
  const { features } = settings
  const isSet = typeof features === 'object' && features !== null && 'containerd-snapshotter' in features
  if (isSet) return features['containerd-snapshotter'] === true ? 'containerd' : 'classic'
  if (version === undefined) throw versionWanted('dockerd', 'which image store Docker has depends on its version')
  // containerd's stores cannot map users
  if (!isAtLeast(version, 29) || settings['userns-remap'] !== undefined) return 'classic'
  const data = typeof settings['data-root'] === 'string' ? settings['data-root'] : '/var/lib/docker'
  return CLASSIC_DRIVERS.some((driver) => view.list(`${data}/${driver}`).length > 0) ? 'classic' : 'containerd'
}

/** A registry with a hosts.toml is no longer looked up in `insecure-registries`, so hosts.toml has to say it. */
function insecureRegistries(settings: JsonObject): (registry: string) => boolean {
  const listed = settings['insecure-registries']
  const entries: string[] = Array.isArray(listed) ? listed.filter((one) => typeof one === 'string') : []
  const networks = new BlockList()
  for (const entry of entries) {
    const [address = '', bits = ''] = entry.split('/')
    const family = isIP(address)
    if (family !== 0 && bits !== '') networks.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6')
  }
  return (registry) => {
    const host = registry.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
    const family = isIP(host)
    if (entries.includes(registry)) return true
    return family !== 0 && networks.check(host, family === 4 ? 'ipv4' : 'ipv6')
  }
}
