import { ShoalError } from '../../../src/base/errors.ts'
import { quantile } from '../../../src/base/quantile.ts'
import { MEDIA_TYPE } from '../../../src/oci/manifest.ts'
import { startRegistry } from '../baselines/docker-registry.ts'
import type { Hand } from '../hand.ts'
import { plainPlan } from '../plan.ts'
import type { Stage } from '../stage.ts'
import { REPOSITORY, TAG } from '../stage.ts'
import type { Scenario } from './scenario.ts'

/** What a lazy snapshotter reads of each layer before a container starts, one after the other. */
const RANGES_OF_A_LAYER = 16
const RANGE_BYTES = 64 * 1024
/** Spreads the places over a layer without a pattern that pieces could follow. */
const GOLDEN_RATIO = 0.618034

/** The footer first, then parts all over; the same for every host. */
function placesIn(size: number): number[] {
  const last = size - RANGE_BYTES
  return Array.from({ length: RANGES_OF_A_LAYER }, (_, i) => Math.floor(((1 + i * GOLDEN_RATIO) % 1 || 1) * last))
}

interface Start {
  /** Of all of it. */
  readonly seconds: number
  /** Milliseconds of each range. */
  readonly ranges: readonly number[]
}

/** One host's start: the manifest, as it names the layers, then all ranges of all layers, one at a time. */
async function start(stage: Stage, hand: Hand, base: string): Promise<Start> {
  const beganAt = performance.now()
  const headers = { accept: MEDIA_TYPE.ociManifest }
  const { status } = await hand.place.ask(`${base}/v2/${REPOSITORY}/manifests/${TAG}?ns=registry.test`, { headers })
  if (status !== 200) throw new ShoalError('UNAVAILABLE', `${base} answers ${status} for the manifest`)
  const ranges = stage.image.layers.flatMap(({ digest, size }) =>
    placesIn(size).map((at) => ({
      url: `${base}/v2/${REPOSITORY}/blobs/${digest}?ns=registry.test`,
      start: at,
      end: at + RANGE_BYTES,
    })),
  )
  const took = await hand.readRanges(ranges)
  return { seconds: (performance.now() - beganAt) / 1000, ranges: took }
}

function summary(starts: readonly Start[]): { readonly seconds: number[]; readonly p50: number } {
  const ranges = starts.flatMap((one) => one.ranges)
  return { seconds: starts.map(({ seconds }) => seconds), p50: quantile(ranges, 0.5) }
}

/** Hosts that start lazily from layers nobody has, and then from their registry itself. Bound: the ranges over the slowest link of a host, one after the other. */
export const lazyStart: Scenario = {
  summary: `hosts read ${RANGES_OF_A_LAYER} ranges of ${RANGE_BYTES / 1024} KiB of each layer, which nobody has`,
  plan: plainPlan,
  /** Shoal reads from the very registry that it is compared with. */
  async world(stage) {
    const registry = await startRegistry(stage, stage.originHand, { root: stage.tree })
    return {
      originOf: () => ({ kind: 'registry', url: registry.url }),
      registry: registry.url,
      [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
    }
  },
  async run({ hosts, stage }) {
    const { seconds, p50 } = summary(
      await Promise.all(hosts.map(({ hand, agent }) => start(stage, hand, agent.mirrorUrl))),
    )
    const bytes = stage.image.layers.length * RANGES_OF_A_LAYER * RANGE_BYTES
    const slowest = Math.min(...stage.rates.hosts(hosts.map(({ hand }) => hand.host)))
    return { seconds, last: Math.max(...seconds), bound: bytes / slowest, extra: { rangeMs: p50 } }
  },
  async compare(stage, { last, extra }, world) {
    const { registry } = world ?? {}
    if (registry === undefined) throw new ShoalError('UNAVAILABLE', 'there is no registry to compare with')
    const { seconds, p50 } = summary(await Promise.all(stage.hostHands.map((hand) => start(stage, hand, registry))))
    const directLast = Math.max(...seconds)
    const rangeMs = extra?.rangeMs ?? 0
    return { directLast, overDirect: last / directLast, directRangeMs: p50, rangeOverDirect: rangeMs / p50 }
  },
}
