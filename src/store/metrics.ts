import type { Counter, MetricRegistry } from '../base/metrics.ts'
import type { StoreUsage } from './interface.ts'

export interface StoreMetrics {
  readonly evictedBytes: Counter<never>
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
    gauge.set({}, usage().diskFull ? 1 : 0),
  )
  return {
    evictedBytes: registry.counter('shoal_store_evicted_bytes_total', 'Bytes evicted to make room.', []),
  }
}
