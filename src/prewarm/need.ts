import { Bitfield } from '../piece/bitfield.ts'
import type { BlobStore } from '../store/index.ts'
import type { Plan } from './interface.ts'

export interface Need {
  /** The blobs that are not here, a bit each. */
  readonly missing: Uint8Array
  /** What is still to come of them. */
  readonly missingBytes: number
}

/** What a host lacks of a plan. */
export function needOf({ blobs }: Pick<Plan, 'blobs'>, store: BlobStore): Need {
  const missing = new Bitfield(blobs.length)
  const partials = new Map<string, number>()
  for (const { digest, state, storedBytes } of store.list()) if (state === 'partial') partials.set(digest, storedBytes)
  let missingBytes = 0
  for (const [i, { digest, size }] of blobs.entries()) {
    if (store.isKept(digest)) continue
    missing.set(i)
    missingBytes += Math.max(0, size - (partials.get(digest) ?? 0))
  }
  return { missing: missing.toBytes(), missingBytes }
}

/** What the store could still take: all but what is pinned or arriving, and what the file system leaves. */
export function roomOf(store: BlobStore, diskFreeBytes: number, minFreeBytes: number): number {
  let staying = 0
  let evictable = 0
  for (const { state, storedBytes, pinnedUntilEpochMs } of store.list()) {
    if (state === 'partial' || pinnedUntilEpochMs !== undefined) staying += storedBytes
    else evictable += storedBytes
  }
  const byCapacity = store.usage().capacityBytes - staying
  const byDisk = diskFreeBytes + evictable - minFreeBytes
  return Math.max(0, Math.floor(Math.min(byCapacity, byDisk)))
}
