import { randomFillSync } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { PieceLayout } from '../../../src/piece/piece-layout.ts'
import { hashOf } from '../../../src/piece/piece-proof.ts'
import type { BlobStore } from '../../../src/store/index.ts'
import { DiskStore } from '../../../src/store/index.ts'
import type { MicroResult } from '../tasks.ts'
import { microResult } from './sample.ts'

const BLOB_BYTES = 64 * 1024 * 1024
const READ_BYTES = 512 * 1024
const BLOBS = 12
const WARM_UP_BLOBS = 2

interface BlobTimes {
  readonly writeMs: number
  readonly commitMs: number
  readonly readMs: number
  /** The same bytes, without comparing them with their proofs. */
  readonly rawMs: number
}

/** Whole blobs through the store, piece by piece: written, committed, read back. */
export async function storeResults(directory: string): Promise<MicroResult[]> {
  const path = join(directory, 'micro-store')
  const times: BlobTimes[] = []
  const layouts = Array.from({ length: WARM_UP_BLOBS + BLOBS }, (_, i) => layoutOf(i))
  {
    await using store = await DiskStore.open(
      { path, capacityBytes: 1024 ** 4, minFreeBytes: 0 },
      { logger: silentLogger, metrics: noMetrics },
    )
    for (const layout of layouts) {
      times.push(await moveBlob(store, layout))
      // the next finds its memory (memory-reserve.ts)
      await store.remove(layout.digest)
    }
  }
  await rm(path, { recursive: true, force: true })
  const measured = times.slice(WARM_UP_BLOBS)
  const { count, pieceSize } = layoutOf(0)
  const reads = BLOB_BYTES / READ_BYTES
  return [
    microResult(
      { subject: `store: write a piece of ${pieceSize / 1024} KiB`, operations: count, bytesEach: pieceSize },
      measured.map(({ writeMs }) => writeMs),
    ),
    microResult(
      { subject: 'store: commit 64 MiB (fsync, rename, row)', operations: 1 },
      measured.map(({ commitMs }) => commitMs),
    ),
    microResult(
      { subject: `store: read ${READ_BYTES / 1024} KiB, compared`, operations: reads, bytesEach: READ_BYTES },
      measured.map(({ readMs }) => readMs),
    ),
    microResult(
      { subject: `store: read ${READ_BYTES / 1024} KiB, not compared`, operations: reads, bytesEach: READ_BYTES },
      measured.map(({ rawMs }) => rawMs),
    ),
  ]
}

/** The store takes the caller's word for the digest, so any bytes will do. */
async function moveBlob(store: BlobStore, layout: PieceLayout): Promise<BlobTimes> {
  const bytes = randomFillSync(new Uint8Array(layout.pieceSize))
  const proof = hashOf(bytes)
  const startMs = performance.now()
  await using partial = await store.openPartial(layout)
  for (let piece = 0; piece < layout.count; piece++) await partial.write(piece, bytes, proof)
  const writtenMs = performance.now()
  await partial.commit()
  const committedMs = performance.now()
  await using blob = await store.open(layout.digest)
  if (blob === undefined) throw new Error('the store lost what it committed')
  const target = new Uint8Array(READ_BYTES)
  const readFromMs = performance.now()
  for (let offset = 0; offset < layout.size; offset += READ_BYTES) await blob.readInto(target, offset)
  const rawFromMs = performance.now()
  for (let offset = 0; offset < layout.size; offset += READ_BYTES) await partial.readUnchecked(target, offset)
  const [readMs, rawMs] = [rawFromMs - readFromMs, performance.now() - rawFromMs]
  return { writeMs: writtenMs - startMs, commitMs: committedMs - writtenMs, readMs, rawMs }
}

function layoutOf(index: number): PieceLayout {
  return new PieceLayout(digestOf(Buffer.from(`micro ${index}`)), BLOB_BYTES)
}
