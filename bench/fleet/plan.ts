import type { Segment } from './network.ts'
import type { FleetBenchOptions } from './options.ts'

/** What must be there before scenarios can run. Scenarios with equal plans run in the same namespaces. */
export interface StagePlan {
  readonly hosts: readonly { readonly mbps: number; readonly segment: Segment }[]
  readonly cacheMbps: number
  readonly originMbps: number
  readonly layerSizes: readonly number[]
  /** The only way between the segments; each has a cache then. */
  readonly wan: { readonly mbps: number; readonly delayMs: number } | undefined
}

/** As the options say: equal hosts, one segment, equal layers. */
export function plainPlan(options: FleetBenchOptions): StagePlan {
  const { hosts, mbps, cacheMbps, originMbps, sizeBytes, layers } = options
  return {
    hosts: Array.from({ length: hosts }, () => ({ mbps, segment: 'a' })),
    cacheMbps,
    originMbps,
    layerSizes: Array.from({ length: layers }, () => Math.floor(sizeBytes / layers)),
    wan: undefined,
  }
}

/** `count` sizes from `least` to `most`, each the same factor above the one before. */
export function spacedSizes(count: number, least: number, most: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.round(least * (most / least) ** (index / (count - 1))))
}

export function sumOf(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
