import type { Digest } from '../oci/digest.ts'
import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { DiskState } from './disk-health.ts'

/**
 * The blobs on this host's disk. A stored blob is complete and proven by its digest, always; everything else is a
 * partial. kill -9 or power loss at any point loses nothing that was committed.
 */
export interface BlobStore extends AsyncDisposable {
  /** Size of a complete blob in bytes, without touching the disk. */
  size(digest: Digest): number | undefined
  /** Whether a complete blob is on disk, so that it is there after a restart, too. */
  isKept(digest: Digest): boolean
  /** Opens a complete blob for reading; it is not evicted until disposed. Marks it used, unless it is only to be checked. */
  open(digest: Digest, purpose?: 'read' | 'check'): Promise<StoredBlob | undefined>
  /**
   * The whole of a small complete blob (a manifest, a config), compared with its digest. Undefined if absent, above
   * `maxBytes`, or damaged: then it has been dropped.
   */
  readSmall(digest: Digest, maxBytes: number): Promise<Uint8Array | undefined>
  /** Stores bytes the caller holds whole. Throws `CONTENT_CORRUPT` when they do not match `digest`, `STORE_DISK_FULL`. */
  putSmall(digest: Digest, bytes: Uint8Array): Promise<void>
  /**
   * Opens the partial of a blob, resuming what an earlier process left: every piece it claims has been re-hashed.
   * One open partial per digest at a time. Throws `STORE_DISK_FULL` when room for the whole blob cannot be made, and
   * `STORE_FAILED` when the blob is complete or its partial open already.
   */
  openPartial(layout: PieceLayout, options?: OpenPartialOptions): Promise<PartialBlob>
  /** The proofs of a complete blob's pieces, packed (`packProofs`): what its digest has proven. Undefined without the blob. */
  proofs(digest: Digest): Promise<Uint8Array | undefined>
  /**
   * Keeps the states of a complete blob in place of its pieces' hashes, as whoever has just read all of it has computed them, packed.
   * States that do not lead to its digest are not kept.
   */
  keepStates(digest: Digest, states: Uint8Array): Promise<void>
  /**
   * Has `listener` called for each complete blob of which the disk has changed something, once it is dropped: all of it, or
   * only the damaged pieces, so that its partial can be resumed.
   */
  onDamage(listener: (damage: StoreDamage) => void): Disposable
  /**
   * Deletes a complete blob, or a partial nobody has open (else `STORE_FAILED`). Whoever has the blob open reads on;
   * for all others it is gone at once.
   */
  remove(digest: Digest): Promise<void>
  /** Keeps a blob (present or to come) from eviction until `untilEpochMs`; Infinity = until unpinned. Survives restarts. */
  pin(digest: Digest, untilEpochMs: number): Promise<void>
  unpin(digest: Digest): Promise<void>
  /** Has `letGo` called when room is wanting: whoever holds blobs open that nobody needs now disposes of them. */
  onShortage(letGo: () => Promise<void>): Disposable
  /** Takes up other bounds; what is above them leaves now. */
  resize(bounds: StoreBounds): Promise<void>
  usage(): StoreUsage
  /** Complete blobs and partials, for status pages; no I/O. */
  list(): readonly StoreEntry[]
  /** Small durable tables that live and die with the store (tags, access grants, peers seen). */
  table<T>(name: string, codec: TableCodec<T>): StoreTable<T>
}

interface OpenPartialOptions {
  /** Only on disk: when that cannot be, it throws instead of holding the blob in memory. */
  readonly onDisk?: boolean
}

export interface StoredBlob extends AsyncDisposable {
  readonly digest: Digest
  readonly size: number
  readonly layout: PieceLayout
  /**
   * Fills `target` from byte `offset` on; both must lie within the blob. Every byte has been compared with its piece's proof
   * since it was read from disk; until this resolves, what is in `target` is arbitrary. Whole pieces cost the least. Throws
   * `STORE_CORRUPT` when a piece has changed on disk (the blob is dropped then, see `onDamage`), `STORE_FAILED`.
   */
  readInto(target: Uint8Array, offset: number): Promise<void>
}

/** A blob being assembled. Callers write only pieces they have verified. */
export interface PartialBlob extends AsyncDisposable {
  readonly layout: PieceLayout
  /** The pieces on disk: live, changes as writes finish. */
  readonly have: ReadonlyBitfield
  /** The proof of a piece in `have`; survives restarts with it. */
  hash(piece: number): Uint8Array | undefined
  /** Writes one whole piece with its proof. The caller may reuse `bytes` once it resolves. Throws `STORE_DISK_FULL`. */
  write(piece: number, bytes: Uint8Array, proof: Uint8Array): Promise<void>
  /**
   * Fills `target` from byte `offset` on. Every byte must lie in pieces of `have`, and has been compared with its piece's
   * proof since it was read. Throws `STORE_CORRUPT` for a piece that has changed on disk: it is in `have` no more.
   */
  readInto(target: Uint8Array, offset: number): Promise<void>
  /** The same without comparing, for the digest of the whole and nothing else: that is a comparison of its own. */
  readUnchecked(target: Uint8Array, offset: number): Promise<void>
  /** Compares pieces of `have` with their proofs and drops those that have changed on disk. Returns which they were. */
  recheck(): Promise<number[]>
  /** Forgets pieces that turned out wrong. */
  drop(pieces: Iterable<number>): Promise<void>
  /**
   * The caller has proven the digest over the whole content: makes it a stored blob, durably (fsync, rename, index
   * row). `states`: the blob's chain, where the digest was proven by it; else its pieces' own proofs are kept
   * where they are of one kind, and made anew where not. Readers of this partial keep working until disposed.
   */
  commit(states?: Uint8Array): Promise<void>
  /** Deletes file and state. Dispose without commit or discard keeps the partial for a later resume. */
  discard(): Promise<void>
}

/** A complete blob that the disk has changed. */
export interface StoreDamage {
  readonly digest: Digest
  readonly size: number
  /** The piece in which it was found; there may be others. */
  readonly piece: number
}

export interface StoreUsage {
  readonly capacityBytes: number
  readonly completeBytes: number
  readonly partialBytes: number
  readonly pinnedBytes: number
  readonly evictedBytes: number
  /** `full` also while writes are refused for want of room that could be made: the alarm. */
  readonly state: DiskState
}

export interface StoreEntry {
  readonly digest: Digest
  readonly size: number
  readonly storedBytes: number
  readonly state: 'complete' | 'partial'
  readonly lastUsedEpochMs: number
  readonly pinnedUntilEpochMs: number | undefined
}

/** How much of a disk the store may take. */
export interface StoreBounds {
  /** The most that blobs, complete or partial, may take together. */
  readonly capacityBytes: number
  /** What the store leaves free on its file system, whatever its capacity. */
  readonly minFreeBytes: number
}

/** How rows become bytes. `decode` answers undefined for rows it does not understand, which are then dropped. */
export interface TableCodec<T> {
  encode(value: T): Uint8Array
  decode(bytes: Uint8Array): T | undefined
}

export interface StoreTable<T> {
  get(key: string): Promise<T | undefined>
  put(key: string, value: T): Promise<void>
  delete(key: string): Promise<void>
  /** Rows whose key starts with `prefix`, in key order. */
  entries(prefix: string): AsyncIterable<readonly [key: string, value: T]>
}
