import { connect } from 'node:net'
import { dirname } from 'node:path'
import type { Address } from '../base/address.ts'
import { addressText, parseAddress, reachedHere } from '../base/address.ts'
import { systemClock } from '../base/clock.ts'
import { errorText } from '../base/errors.ts'
import { freeSpace } from '../base/free-space.ts'
import type { Config } from '../config/index.ts'
import { MirrorClient, parsePullTarget } from '../pull/index.ts'
import type { SetupRuntime } from '../setup/index.ts'
import { SETUP_RUNTIMES, Setup, versionText } from '../setup/index.ts'
import type { CommandIo } from './command-io.ts'
import { setupTarget } from './configure-target.ts'
import type { Finding } from './doctor-findings.ts'
import { fault, ok, warning } from './doctor-findings.ts'
import { pullFinding } from './doctor-pull.ts'
import { sizeText } from './quantity-text.ts'
import { detectRuntime } from './runtime-detection.ts'

const ANSWER_MS = 5_000
/** Longer than a mirror thinks. */
const IMAGE_MS = 30_000
/** Certificates, orders and tags are dated, and five minutes are allowed. */
const SKEW_WRONG_MS = 5 * 60_000
const SKEW_NOTICED_MS = 60_000
const INODES_FEW = 0.02

/** Whether somebody accepts connections at an address. Never rejects. */
export async function accepts({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const end = (is: boolean): void => {
      socket.destroy()
      resolve(is)
    }
    socket.setTimeout(ANSWER_MS, () => end(false))
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}

/** Which of these addresses (`host:port`) somebody accepts connections at. */
export async function accepting(addresses: readonly string[]): Promise<ReadonlySet<string>> {
  const parsed = addresses.map((address) => ({ address, place: parseAddress(address) }))
  const found = await Promise.all(parsed.map(async ({ place }) => place !== undefined && (await accepts(place))))
  return new Set(addresses.filter((_, i) => found[i]))
}

/** Whether the mirror answers at its address, as a registry does. */
export async function mirrorFinding(address: string, signal: AbortSignal): Promise<Finding> {
  const place = parseAddress(address)
  if (place === undefined) return fault('mirror', `${address} is no address`, 'look at mirror.listen')
  const url = `http://${addressText(reachedHere(place))}/v2/`
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]) })
    const isRegistry = response.headers.get('docker-distribution-api-version') !== null
    if (isRegistry) return ok('mirror', `answers at ${address}`)
    return fault('mirror', `something else than the mirror answers at ${address}`, 'see what listens there (ss -ltnp)')
  } catch (error) {
    signal.throwIfAborted()
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const text = `the mirror does not answer at ${address} (${errorText(cause)})`
    return fault('mirror', text, 'see mirror.listen, and whether another program has that port (ss -ltnp)')
  }
}

/** Whether this host's mirror has an image: through its caches, or from the origins with the credentials they have. */
export async function imageFinding(image: string, mirror: string, signal: AbortSignal): Promise<Finding> {
  const target = parsePullTarget(image)
  try {
    await using client = new MirrorClient(mirror, target)
    const { digest } = await client.manifest(undefined, AbortSignal.any([signal, AbortSignal.timeout(IMAGE_MS)]))
    return ok('origins', `${image} is ${digest}`)
  } catch (error) {
    signal.throwIfAborted()
    return fault('origins', errorText(error), 'see what is said of its origins here, and "refused" in the log')
  }
}

/** This host's clock against those of the registries it asks: they say what time it is, whoever asks. */
export async function clockFinding({ upstreams }: Config, signal: AbortSignal): Promise<Finding> {
  const urls = upstreams.flatMap(({ origins }) =>
    origins.flatMap((origin) => (origin.kind === 'registry' ? [origin.url] : [])),
  )
  const skews = await Promise.all([...new Set(urls.map(String))].map((url) => skewAgainst(url, signal)))
  const known = skews.filter((skew) => skew !== undefined)
  const [first] = known.toSorted((a, b) => Math.abs(a.ms) - Math.abs(b.ms))
  if (first === undefined) return ok('clock', 'no registry answers with its time: not compared')
  const text = `${Math.round(Math.abs(first.ms) / 1000)} s ${first.ms < 0 ? 'behind' : 'before'} that of ${first.host}`
  const remedy = 'have a time service keep it (timedatectl, chrony)'
  if (Math.abs(first.ms) > SKEW_WRONG_MS) return fault('clock', text, remedy)
  return Math.abs(first.ms) > SKEW_NOTICED_MS ? warning('clock', text, remedy) : ok('clock', text)
}

async function skewAgainst(url: string, signal: AbortSignal): Promise<{ host: string; ms: number } | undefined> {
  try {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)])
    const { headers } = await fetch(new URL('/v2/', url), { method: 'HEAD', redirect: 'manual', signal: limited })
    const theirs = Date.parse(headers.get('date') ?? '')
    return Number.isNaN(theirs) ? undefined : { host: new URL(url).host, ms: systemClock.wall() - theirs }
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

/** Room and inodes where the store is, or will be. */
export async function roomFinding({ store }: Config): Promise<Finding> {
  let path = store.path
  for (;;) {
    try {
      const { bytes: free, totalBytes: total, files, totalFiles } = await freeSpace(path)
      if (totalFiles > 0 && files / totalFiles < INODES_FEW)
        return fault(
          'disk',
          `${files} of ${totalFiles} inodes are left at ${path}`,
          'remove small files there, or use another file system',
        )
      if (store.capacityBytes > total)
        return warning(
          'disk',
          `store.capacity is more than the disk has (${sizeText(total)})`,
          'lower store.capacity, or use another disk',
        )
      if (free < store.minFreeBytes)
        return warning(
          'disk',
          `${sizeText(free)} are free at ${path}, less than store.minFree`,
          'make room there: what comes is not kept for long',
        )
      return ok('disk', `${sizeText(free)} of ${sizeText(total)} are free at ${path}`)
    } catch (error) {
      if (dirname(path) === path)
        return fault('disk', `${store.path} cannot be looked at (${errorText(error)})`, 'look at store.path')
      path = dirname(path)
    }
  }
}

interface RuntimeOptions {
  /** The agent's configuration. */
  readonly config: string | undefined
  /** Have each pull an image that only a mirror has. */
  readonly pull: boolean
}

/** Whether the runtimes that are installed here are told about the mirror, and pull through it. */
export async function runtimeFindings({ config, pull }: RuntimeOptions, io: CommandIo): Promise<Finding[]> {
  const installed = (
    await Promise.all(SETUP_RUNTIMES.map((runtime) => ofRuntime(runtime, { config, pull }, io)))
  ).flat()
  return installed.length > 0 ? installed : [ok('runtime', 'no container runtime is installed here')]
}

async function ofRuntime(runtime: SetupRuntime, { config, pull }: RuntimeOptions, io: CommandIo): Promise<Finding[]> {
  const { version, store } = await detectRuntime(runtime, io.signal)
  if (version === undefined) return []
  const name = `${runtime} ${versionText(version)}`
  const remedy = `sudo shoal configure ${runtime} --restart`
  try {
    const target = await setupTarget({ config, registry: [], root: '/' }, io.env)
    const { files, needs } = new Setup('/').prepare({ runtime, version, store, ...target }, false)
    if (files.length > 0) return [warning('runtime', `${name} is not set up to pull through ${target.mirror}`, remedy)]
    if (needs !== 'nothing') return [warning('runtime', `${name} has not read its new configuration yet`, remedy)]
    const pulled = pull ? await pullFinding(runtime, name, target.registries, io.signal) : undefined
    return [pulled ?? ok('runtime', `${name} is set up to pull through ${target.mirror}`)]
  } catch (error) {
    return [warning('runtime', `${name}: ${errorText(error)}`, `see shoal configure ${runtime} --dry-run`)]
  }
}
