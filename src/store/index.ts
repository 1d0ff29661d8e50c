// The store: blobs on this host's disk. FORMAT.md describes what lies there.
//
//   steady-store    the BlobStore that everybody uses: the disk's while it can be used (disk-health), else memory's
//                   (memory-blobs, held-partial; rows of tables: steady-table, unwritten-rows); what the disk gives is
//                   watched (guarded-content); room-at-start
//   disk-store      the BlobStore on disk, composed of:
//   catalogue       what there is, in memory (blob-entries, partial-entries, pins) and the sums
//   disk-budget     room: capacity, free-space floor, eviction, the alarm
//   blob-files      file, row and entry of a blob changed together, crash-safe
//   open-partial    a blob being assembled: admission, resume (resume), pieces (partial-blob)
//   blob-reads      complete blobs as they are read (stored-blob)
//   checked-file    the one way from a file to a reader: pieces compared with their proofs (piece-check, piece-seals,
//                   blob-proofs, recent-pieces)
//   damage          what becomes of content that the disk has changed
//   check-blob      reading a blob to compare it; scrub: all of them, once in a while
//   store-index     rows in level, written in batches; rows: their codecs; level-table: small tables
//   recovery        comparing index and files at start
//   json-codec      rows of small tables as JSON
//   format-file, paths, files, in-flight, keyed-lock, private-directory: what these stand on
//   open-index      opens the index, mended if need be (index-files); put-back: a file under its name again
//   memory-partial, memory-copy  content in memory
//   interface, options, metrics  what the room offers and takes
export { checkBlob } from './check-blob.ts'
export type { DiskState } from './disk-health.ts'
export { DiskStore } from './disk-store.ts'
export { isUnstorable } from './files.ts'
export type {
  BlobStore,
  PartialBlob,
  StoreDamage,
  StoredBlob,
  StoreEntry,
  StoreTable,
  StoreUsage,
  TableCodec,
} from './interface.ts'
export { jsonCodec } from './json-codec.ts'
export { MemoryPartial } from './memory-partial.ts'
export type { StoreDeps, StoreOptions } from './options.ts'
export { Scrub } from './scrub.ts'
export { SteadyStore } from './steady-store.ts'
