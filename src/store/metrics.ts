import type { Counter, MetricRegistry, NoLabels } from '../base/metrics.ts'
import type { IndexWay } from './index-files.ts'
import type { StoreUsage } from './interface.ts'
import type { Recovered } from './recovery.ts'

const REPAIRS = ['format', 'index_repaired', 'index_anew', 'blob_adopted', 'blob_lost', 'partial_lost'] as const

interface StoreMetrics {
  readonly evictedBytes: Counter<NoLabels>
  readonly repairs: Counter<{ what: (typeof REPAIRS)[number] }>
  readonly corrupt: Counter<NoLabels>
}

/** Declares the store's metrics; gauges read `usage` at scrape time. */
export function storeMetrics(registry: MetricRegistry, usage: () => StoreUsage): StoreMetrics {
  registry.gauge('shoal_store_bytes', 'Bytes of blobs on disk, by state.', ['state'], (gauge) => {
    const { completeBytes, partialBytes, pinnedBytes } = usage()
    gauge.set({ state: 'complete' }, completeBytes)
    gauge.set({ state: 'partial' }, partialBytes)
    gauge.set({ state: 'pinned' }, pinnedBytes)
  })
  registry.gauge('shoal_store_capacity_bytes', 'The most that blobs may take on disk.', [], (gauge) =>
    gauge.set({}, usage().capacityBytes),
  )
  registry.gauge('shoal_store_disk_full', '1 while writes are refused for want of space.', [], (gauge) =>
    gauge.set({}, usage().state === 'full' ? 1 : 0),
  )
  const repairs = registry.counter(
    'shoal_store_repairs_total',
    'Damage found and mended: files made anew (format, index_repaired, index_anew), blobs adopted or lost, partials lost.',
    { what: REPAIRS },
  )
  return {
    repairs,
    corrupt: registry.counter(
      'shoal_store_corrupt_total',
      'Stored blobs, and pieces of arriving ones, that the disk had changed: found and dropped.',
      {},
    ),
    evictedBytes: registry.counter('shoal_store_evicted_bytes_total', 'Bytes evicted to make room.', {}),
  }
}

/** Counts what a start had to mend. */
export function countRepairs(
  { repairs }: StoreMetrics,
  found: { readonly formatLost: boolean; readonly way: IndexWay; readonly recovered: Recovered },
): void {
  const { formatLost, way, recovered } = found
  const counts: Readonly<Record<(typeof REPAIRS)[number], number>> = {
    format: formatLost ? 1 : 0,
    index_repaired: way === 'repaired' ? 1 : 0,
    index_anew: way === 'anew' ? 1 : 0,
    blob_adopted: recovered.adopted,
    blob_lost: recovered.lostBlobs,
    partial_lost: recovered.lostPartials,
  }
  for (const what of REPAIRS) repairs.inc({ what }, counts[what])
}
