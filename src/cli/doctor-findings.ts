import type { CacheStatus, NodeStatus } from '../admin/index.ts'
import { addressText, isLoopback, parseAddress } from '../base/address.ts'

/** What is looked at, in the order that it is shown. */
export const CHECKS = [
  'configuration',
  'agent',
  'version',
  'mirror',
  'peers',
  'tier',
  'identity',
  'credentials',
  'clock',
  'origins',
  'disk',
  'files',
  'runtime',
] as const
export type Check = (typeof CHECKS)[number]

/** `warning`: pulls go on, at a price or for a while. `error`: they fail, or go past the fleet. */
type Level = 'ok' | 'warning' | 'error'

export interface Finding {
  readonly check: Check
  readonly level: Level
  readonly text: string
  /** What to do about it; null when there is nothing to do. */
  readonly remedy: string | null
  /** What the command ends with if this is the worst. */
  readonly exitCode: 0 | 1 | 2
}

export function ok(check: Check, text: string): Finding {
  return { check, level: 'ok', text, remedy: null, exitCode: 0 }
}

export function warning(check: Check, text: string, remedy: string): Finding {
  return { check, level: 'warning', text, remedy, exitCode: 0 }
}

/** A configuration that is wrong ends the command as wrong usage does. */
export function fault(check: Check, text: string, remedy: string): Finding {
  return { check, level: 'error', text, remedy, exitCode: check === 'configuration' ? 2 : 1 }
}

const SOON_DAYS = 14

const DISK: Readonly<Record<string, string>> = {
  full: 'make room on the disk, or lower store.capacity; it recovers by itself',
  read_only: 'see why the file system is read-only (dmesg), and mount it for writing again',
  failed: 'look at the disk (dmesg, smartctl): reads or writes fail',
  stalled: 'look at the disk or the network it hangs on: it does not answer',
}

/** What a running agent says of itself. `program`: the version of this command. */
export function statusFindings(status: NodeStatus, program: string): Finding[] {
  return [
    versions(status, program),
    peerPort(status),
    ...identity(status),
    ...credentials(status),
    ...origins(status),
    disk(status),
    openFiles(status),
  ]
}

function versions({ version }: NodeStatus, program: string): Finding {
  return version === program
    ? ok('version', `the agent and this program are ${program}`)
    : warning('version', `the agent that runs is ${version}, this program ${program}`, 'restart the agent')
}

function peerPort({ addresses, tier, peers }: NodeStatus): Finding {
  const peer = parseAddress(addresses.peer)
  const away = tier.caches.filter(({ address }) => !isLoopback(parseAddress(address)?.host ?? ''))
  if (peer !== undefined && isLoopback(peer.host) && away.length > 0) {
    return fault(
      'peers',
      `this host listens to others at ${addressText(peer)} only, and its caches are elsewhere (${away[0]?.address})`,
      "name the fleet's key in fleet.keyFile, and an address that others reach in peer.listen",
    )
  }
  return ok('peers', `${peers.linked} linked, ${peers.caches} of them caches; listens at ${addresses.peer}`)
}

/** The tier's caches by what this host found at their addresses. `answers`: whether somebody accepts connections there. */
export function tierFindings({ tier, region }: NodeStatus, answers: (address: string) => boolean): Finding[] {
  if (tier.state === 'own')
    return [ok('tier', `no caches are configured: this host asks the origins of region ${region}`)]
  const own = tier.caches.flatMap((cache) => cacheFinding(cache, region, tier.state === 'acting', answers))
  const above = tier.parents.flatMap(({ region: parent, caches }) => {
    const isLinked = caches.some(isUseful)
    return caches.flatMap((cache) => (isLinked ? [] : cacheFinding(cache, parent, false, answers)))
  })
  const found = [...own, ...above]
  if (tier.state === 'acting' && own.length === 0) {
    const remedy = 'check tier.caches: a name that resolves to nothing, or nothing at all, is there'
    return [fault('tier', `no cache of region ${region} is there`, remedy), ...above]
  }
  return found.length > 0 ? found : [ok('tier', `${tier.caches.length} caches of region ${region} are linked`)]
}

function cacheFinding(
  cache: CacheStatus,
  region: string,
  isOnly: boolean,
  answers: (address: string) => boolean,
): Finding[] {
  const { address, servesInstead, problem } = cache
  const level = isOnly ? fault : warning
  if (servesInstead !== undefined) {
    const text = `${address} is a cache of region ${servesInstead}, not of ${region}`
    return [fault('tier', text, 'mend tier.region or tier.caches on one of the two')]
  }
  if (isUseful(cache)) return []
  if (!answers(address)) {
    const text = `nobody answers at ${address} (a cache of region ${region})`
    return [
      level('tier', text, 'see whether that cache runs, and whether a firewall lets this host reach its peer port'),
    ]
  }
  const why = problem === undefined ? '' : `: ${problem}`
  const text = `${address} answers, but there is no link to it (a cache of region ${region})${why}`
  return [level('tier', text, "compare fleet.keyFile and both clocks, and look for this host in that cache's log")]
}

function isUseful({ state, servesInstead }: CacheStatus): boolean {
  return state === 'linked' && servesInstead === undefined
}

function identity({ peerId, peers: { clones = [] } }: NodeStatus): Finding[] {
  if (clones.length === 0) return [ok('identity', peerId)]
  return clones.map(({ peerId: shared, addresses }) =>
    fault(
      'identity',
      `several hosts are ${shared}: ${addresses.join(', ')}`,
      'remove the file "identity" in the store of all but one, and restart those',
    ),
  )
}

function credentials({ credentials: all = [] }: NodeStatus): Finding[] {
  if (all.length === 0) return [ok('credentials', 'no certificates: the fleet has a shared key, or none')]
  return all.map(({ text, daysLeft, problem }) => {
    if (problem !== null)
      return fault(
        'credentials',
        `${text} counts for nothing: ${problem}`,
        'renew it: shoal fleet certify, then SIGHUP',
      )
    if (daysLeft < SOON_DAYS)
      return warning('credentials', `${text} ends in ${daysLeft} days`, 'renew it: shoal fleet certify, then SIGHUP')
    return ok('credentials', `${text}, ${daysLeft} days left`)
  })
}

function origins({ upstreams }: NodeStatus): Finding[] {
  const failing = upstreams.flatMap(({ name, origins: some }) =>
    some.flatMap(({ label, trouble }) =>
      trouble === undefined
        ? []
        : [fault('origins', `${name}: ${label} is ${trouble.state}: ${trouble.message}`, trouble.remedy)],
    ),
  )
  if (failing.length > 0) return failing
  const count = upstreams.reduce((sum, { origins: some }) => sum + some.length, 0)
  return [ok('origins', `${count} origins, none in trouble when it was last asked`)]
}

function disk({ store }: NodeStatus): Finding {
  const state = store.state === 'ok' && store.diskFull ? 'full' : store.state
  if (state === 'ok') return ok('disk', 'the store takes what comes')
  const text = `the disk is ${state.replace('_', '-')}: pulls go through without being kept`
  return fault('disk', text, DISK[state] ?? 'look at the disk and at the log')
}

function openFiles({ openFiles: files }: NodeStatus): Finding {
  if (files?.few !== true) return ok('files', files?.limit == null ? 'enough' : `${files.limit} may be open`)
  const text = `${files.limit} open files at most: pulls, links and origins wait for each other`
  return warning('files', text, 'raise LimitNOFILE of the service (ulimit -n), and restart the agent')
}
