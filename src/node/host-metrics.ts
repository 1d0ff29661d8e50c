import type { Clock } from '../base/clock.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import type { Tier } from '../tier/index.ts'
import type { Transfer, Transfers } from '../transfer/index.ts'
import { transferRate } from './transfer-rate.ts'

interface HostMetricsDeps {
  readonly clock: Clock
  readonly tier: Tier
  readonly transfers: Transfers
  readonly self: { readonly version: string; readonly role: string; readonly region: string }
}

/** Every way a host can stand to its tier: without one, linked to a cache of its region, or with none that answers. */
const TIER_STATES: Readonly<Record<ReturnType<Tier['status']>['state'], true>> = {
  own: true,
  linked: true,
  acting: true,
}

/** What says how this host is: read at scrape time, from memory. */
export function declareHostMetrics(registry: MetricRegistry, { clock, tier, transfers, self }: HostMetricsDeps): void {
  registry.gauge('shoal_build_info', 'What runs here; always 1.', ['version', 'role', 'region'], (gauge) =>
    gauge.set({ version: self.version, role: self.role, region: self.region }, 1),
  )
  registry.gauge('shoal_tier_state', '1 for how this host stands to its tier.', ['state'], (gauge) => {
    const { state } = tier.status()
    for (const one of Object.keys(TIER_STATES)) gauge.set({ state: one }, one === state ? 1 : 0)
  })
  registry.gauge(
    'shoal_oldest_transfer_seconds',
    'How long the oldest running transfer runs; 0 without one.',
    [],
    (gauge) => gauge.set({}, oldest(transfers, clock)?.seconds ?? 0),
  )
  registry.gauge(
    'shoal_oldest_transfer_bytes_per_second',
    'What the oldest running transfer has received since its start, per second; 0 without one.',
    [],
    (gauge) => gauge.set({}, oldest(transfers, clock)?.bytesPerSec ?? 0),
  )
}

function oldest(transfers: Transfers, clock: Clock): ReturnType<typeof transferRate> | undefined {
  const first = transfers.views().reduce<Transfer | undefined>((oldest, { transfer }) => {
    return oldest === undefined || transfer.startedAt < oldest.startedAt ? transfer : oldest
  }, undefined)
  return first === undefined ? undefined : transferRate(first, clock.now())
}
