import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { seededRng } from '../../../src/base/rng.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { MIN_PIECE_BYTES, PieceLayout } from '../../../src/piece/piece-layout.ts'
import type { BlobStore, PartialBlob, StoreDeps, StoreOptions } from '../../../src/store/index.ts'
import { DiskStore } from '../../../src/store/index.ts'

export const KIB = 1024
export const MIB = 1024 * KIB
/** What a piece of a small blob measures. */
export const PIECE = MIN_PIECE_BYTES

/** A fresh directory, deleted at the end of the scope. */
export async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'shoal-store-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

export function openStore(
  path: string,
  options: Partial<StoreOptions> = {},
  deps: Partial<StoreDeps> = {},
): Promise<DiskStore> {
  return DiskStore.open(
    { path, capacityBytes: 1024 * MIB, minFreeBytes: 0, ...options },
    { logger: silentLogger, metrics: noMetrics, ...deps },
  )
}

/** Bytes that a seed repeats and that no two pieces share. */
export function seededBytes(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size)
  const rng = seededRng(seed)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at + 4 <= size; at += 4) view.setUint32(at, rng.below(0x1_0000_0000))
  if (size > 0) bytes[size - 1] = seed & 0xff
  return bytes
}

export interface TestBlob {
  readonly bytes: Uint8Array
  readonly digest: Digest
  readonly layout: PieceLayout
}

export function testBlob(size: number, seed: number, algorithm = 'sha256'): TestBlob {
  const bytes = seededBytes(size, seed)
  const digest = digestOf(bytes, algorithm)
  return { bytes, digest, layout: new PieceLayout(digest, size) }
}

export function pieceOf(blob: TestBlob, piece: number): Uint8Array {
  const { start, end } = blob.layout.range(piece)
  return blob.bytes.subarray(start, end)
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

export async function writePieces(partial: PartialBlob, blob: TestBlob, pieces: Iterable<number>): Promise<void> {
  for (const piece of pieces) await partial.write(piece, pieceOf(blob, piece), sha256(pieceOf(blob, piece)))
}

export function allPieces(blob: TestBlob): number[] {
  return Array.from({ length: blob.layout.count }, (_, piece) => piece)
}

/** Stores a whole blob piece by piece. */
export async function storeBlob(store: BlobStore, blob: TestBlob): Promise<void> {
  await using partial = await store.openPartial(blob.layout)
  await writePieces(partial, blob, allPieces(blob))
  await partial.commit()
}

/** The whole content of a stored blob, or undefined. */
export async function contentOf(store: BlobStore, digest: Digest): Promise<Uint8Array | undefined> {
  await using blob = await store.open(digest)
  if (blob === undefined) return undefined
  const bytes = new Uint8Array(blob.size)
  await blob.readInto(bytes, 0)
  return bytes
}

/** Like deepEqual for content, without the minutes it takes to print how two megabytes differ. */
export function assertBytes(actual: Uint8Array | undefined, expected: Uint8Array, message = 'other bytes'): void {
  assert.ok(actual !== undefined, `${message}: there are none`)
  assert.equal(actual.length, expected.length, message)
  assert.ok(Buffer.compare(actual, expected) === 0, message)
}

/** Waits until `holds` answers true; fails after ten seconds. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
