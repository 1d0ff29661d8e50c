import { createHash } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { constants } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../base/log.ts'
import type { Digest } from '../oci/digest.ts'
import { digestAlgorithm, digestHex, parseDigest } from '../oci/digest.ts'
import { blobRowDeletes } from './blob-files.ts'
import type { Catalogue } from './catalogue.ts'
import { openFile, readFully, removeFile, syncDirectory } from './files.ts'
import type { StorePaths } from './paths.ts'
import { ALGORITHMS } from './paths.ts'
import type { BlobRow, PartialRow } from './rows.ts'
import {
  blobKey,
  decodeBlobRow,
  decodePartialRow,
  decodePieceRow,
  decodePinRow,
  encodeBlobRow,
  FAMILY,
  keyDigest,
  parsePieceKey,
  partialKey,
} from './rows.ts'
import type { IndexWrite, StoreIndex } from './store-index.ts'

const SHARD_NAME = /^[0-9a-f]{2}$/
const HASH_BUFFER_BYTES = 1024 * 1024
/** File stats asked for at once: more than the thread pool has threads, few enough to keep memory flat. */
const STAT_BATCH = 64

interface RecoveryDeps {
  readonly paths: StorePaths
  readonly index: StoreIndex
  readonly catalogue: Catalogue
  readonly logger: Logger
  readonly now: () => number
  /** Whether files without a row are hashed now; else when they are first opened, which makes their proofs. */
  readonly proves: boolean
}

/** What a start found missing or wrong. */
export interface Recovered {
  /** Files without a row that are blobs all the same. */
  readonly adopted: number
  /** Blobs and partials that were dropped: without their file, or not what they should be. */
  readonly lostBlobs: number
  readonly lostPartials: number
}

interface Found {
  adopted: number
  lostBlobs: number
  lostPartials: number

  readonly blobs: Map<Digest, BlobRow>
  readonly partials: Map<Digest, PartialRow>
  /** Bytes that piece rows claim, by digest. */
  readonly claimed: Map<Digest, number>
  /** Rows to write or to delete. */
  readonly repairs: IndexWrite[]
}

/**
 * Reads the index, compares it with the files and fills the catalogue. Whatever step of a commit, an eviction or a
 * removal a crash cut short is finished or undone (FORMAT.md, "After a crash").
 */
export async function recover(deps: RecoveryDeps): Promise<Recovered> {
  const none = { adopted: 0, lostBlobs: 0, lostPartials: 0 }
  const found: Found = { ...none, blobs: new Map(), partials: new Map(), claimed: new Map(), repairs: [] }
  await readRows(deps, found)
  for (const algorithm of ALGORITHMS) await scanBlobs(deps, found, algorithm)
  for (const algorithm of ALGORITHMS) await scanPartials(deps, found, algorithm)
  await readPieceRows(deps, found)
  if (found.repairs.length > 0) {
    deps.logger.info({ rows: found.repairs.length }, 'store index repaired')
    await deps.index.write(found.repairs, { sync: true })
  }
  fill(deps.catalogue, found)
  const { adopted, lostBlobs, lostPartials } = found
  return { adopted, lostBlobs, lostPartials }
}

async function readRows(deps: RecoveryDeps, found: Found): Promise<void> {
  const read = async <T>(
    family: string,
    decode: (bytes: Uint8Array) => T | undefined,
    take: Take<T>,
  ): Promise<void> => {
    for await (const [key, value] of deps.index.allEntries(family)) {
      const digest = keyDigest(key)
      const row = decode(value)
      if (digest === undefined || row === undefined || !take(digest, row)) found.repairs.push([key, undefined])
    }
  }
  await read(FAMILY.blob, decodeBlobRow, (digest, row) => found.blobs.set(digest, row))
  await read(FAMILY.partial, decodePartialRow, (digest, row) => found.partials.set(digest, row))
  await read(FAMILY.pin, decodePinRow, (digest, until) => {
    deps.catalogue.pins.set(digest, until)
    return deps.catalogue.pins.has(digest)
  })
  deps.catalogue.pins.expire()
}

/** Takes a row in; a false answer has it deleted. */
type Take<T> = (digest: Digest, row: T) => unknown

/** Keeps a file with a matching row, adopts one without a row if its content proves its name, deletes the others. */
async function scanBlobs(deps: RecoveryDeps, found: Found, algorithm: string): Promise<void> {
  const present = new Set<Digest>()
  const directory = deps.paths.blobDirectory(algorithm)
  for (const shard of await list(directory)) {
    if (shard.isSymbolicLink() || (!shard.isDirectory() && SHARD_NAME.test(shard.name))) {
      await dropStranger(deps, join(directory, shard.name))
    }
    if (!shard.isDirectory()) continue
    const digests: Digest[] = []
    for (const file of await list(join(directory, shard.name))) {
      const digest = file.name.startsWith(shard.name) ? parseDigest(`${algorithm}:${file.name}`) : undefined
      if (digest === undefined) continue
      if (file.isFile()) digests.push(digest)
      else await dropStranger(deps, join(directory, shard.name, file.name))
    }
    for (let at = 0; at < digests.length; at += STAT_BATCH) {
      const batch = digests.slice(at, at + STAT_BATCH)
      const sizes = await Promise.all(batch.map(async (digest) => (await stat(deps.paths.blob(digest))).size))
      for (const [i, digest] of batch.entries()) {
        if (await keepBlob(deps, found, digest, sizes[i] ?? 0)) present.add(digest)
      }
    }
  }
  for (const digest of found.blobs.keys()) {
    if (digestAlgorithm(digest) !== algorithm || present.has(digest)) continue
    found.blobs.delete(digest)
    found.lostBlobs++
    found.repairs.push(...blobRowDeletes(digest))
    deps.logger.warn({ digest }, 'a stored blob has lost its file, or its file has another size')
  }
}

async function keepBlob(deps: RecoveryDeps, found: Found, digest: Digest, size: number): Promise<boolean> {
  const row = found.blobs.get(digest)
  if (row?.size === size) return true
  const path = deps.paths.blob(digest)
  if (row !== undefined || (deps.proves && !(await contentMatches(path, digest, size)))) {
    deps.logger.warn({ digest, bytes: size }, 'a file in the store is not what its name says and was deleted')
    found.lostBlobs++
    await removeFile(path)
    return false
  }
  // A crash came between rename and row. The rename itself may not be durable yet.
  if (deps.proves) await syncDirectory(deps.paths.shard(digest))
  const adopted = { size, lastUsedEpochMs: deps.now() }
  found.blobs.set(digest, adopted)
  found.adopted++
  found.repairs.push([blobKey(digest), encodeBlobRow(adopted)])
  deps.logger.debug({ digest, bytes: size }, 'a stored blob that had no row in the index was taken up')
  return true
}

/** Keeps partials that have a row and no complete blob; deletes all else there. */
async function scanPartials(deps: RecoveryDeps, found: Found, algorithm: string): Promise<void> {
  const directory = deps.paths.partialDirectory(algorithm)
  const present = new Set<Digest>()
  for (const file of await list(directory)) {
    if (!file.isFile()) {
      await dropStranger(deps, join(directory, file.name))
      continue
    }
    const digest = parseDigest(`${algorithm}:${file.name}`)
    if (digest !== undefined && found.partials.has(digest) && !found.blobs.has(digest)) {
      present.add(digest)
      continue
    }
    if (digest !== undefined && !found.blobs.has(digest)) found.lostPartials++
    await removeFile(join(directory, file.name))
  }
  for (const digest of found.partials.keys()) {
    if (digestAlgorithm(digest) !== algorithm || present.has(digest)) continue
    found.partials.delete(digest)
    found.repairs.push([partialKey(digest), undefined])
  }
}

/** Counts what the pieces of each partial claim; their hashes are checked when the partial is opened. */
async function readPieceRows(deps: RecoveryDeps, found: Found): Promise<void> {
  for await (const [key, value] of deps.index.allEntries(FAMILY.piece)) {
    const parsed = parsePieceKey(key)
    const row = parsed === undefined ? undefined : found.partials.get(parsed.digest)
    const start = parsed === undefined || row === undefined ? 0 : parsed.piece * row.pieceSize
    if (parsed === undefined || row === undefined || start >= row.size || decodePieceRow(value) === undefined) {
      found.repairs.push([key, undefined])
      continue
    }
    const bytes = Math.min(row.pieceSize, row.size - start)
    found.claimed.set(parsed.digest, (found.claimed.get(parsed.digest) ?? 0) + bytes)
  }
}

function fill(catalogue: Catalogue, found: Found): void {
  const byLastUse = <T extends BlobRow>(rows: Map<Digest, T>) =>
    [...rows].sort(([, a], [, b]) => a.lastUsedEpochMs - b.lastUsedEpochMs)
  for (const [digest, { size, lastUsedEpochMs }] of byLastUse(found.blobs)) {
    catalogue.blobs.add(digest, size, lastUsedEpochMs)
  }
  for (const [digest, row] of byLastUse(found.partials)) {
    catalogue.partials.add({ digest, ...row, storedBytes: found.claimed.get(digest) ?? 0 })
  }
}

async function contentMatches(path: string, digest: Digest, size: number): Promise<boolean> {
  const hash = createHash(digestAlgorithm(digest))
  const buffer = new Uint8Array(HASH_BUFFER_BYTES)
  const file = await openFile(path, constants.O_RDONLY)
  try {
    for (let at = 0; at < size; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, size - at))
      await readFully(file, part, at)
      hash.update(part)
    }
  } finally {
    await file.close()
  }
  return hash.digest('hex') === digestHex(digest)
}

/** No store makes links, pipes or directories there; by a link what is written would land where somebody else chose. */
async function dropStranger(deps: RecoveryDeps, path: string): Promise<void> {
  deps.logger.warn({ path }, 'something in the store that is not a file was removed')
  await removeFile(path)
}

function list(directory: string): Promise<Dirent[]> {
  return readdir(directory, { withFileTypes: true })
}
