import type { Digest } from '../oci/digest.ts'
import { parseDigest } from '../oci/digest.ts'
import { HASH_BYTES, isProof } from '../piece/piece-proof.ts'

// The rows of the index, described in FORMAT.md: keys are text, values fixed-width and big-endian. A value of another
// length, or with a number no store writes, decodes to undefined.

/** The longest key of a table in UTF-8: far above any reference, low enough that no input fills the index by its key. */
export const MAX_TABLE_KEY_BYTES = 1024
const TABLE_NAME = /^[a-z][a-z0-9-]{0,63}$/

export interface BlobRow {
  readonly size: number
  readonly lastUsedEpochMs: number
}

export interface PartialRow {
  readonly size: number
  readonly pieceSize: number
  readonly lastUsedEpochMs: number
}

/** Row families; no first letter is used twice. */
export const FAMILY = { blob: 'b!', partial: 'p!', piece: 'h!', proofs: 'v!', pin: 'n!', table: 't!' } as const

export function blobKey(digest: Digest): string {
  return FAMILY.blob + digest
}

export function proofsKey(digest: Digest): string {
  return FAMILY.proofs + digest
}

export function partialKey(digest: Digest): string {
  return FAMILY.partial + digest
}

export function pinKey(digest: Digest): string {
  return FAMILY.pin + digest
}

/** Fixed-width hexadecimal, so that a blob's pieces are neighbours in order. */
export function pieceKey(digest: Digest, piece: number): string {
  return `${piecePrefix(digest)}${piece.toString(16).padStart(8, '0')}`
}

export function piecePrefix(digest: Digest): string {
  return `${FAMILY.piece}${digest}!`
}

/** The digest in a key of a family whose keys hold nothing else. */
export function keyDigest(key: string): Digest | undefined {
  return parseDigest(key.slice(2))
}

export function parsePieceKey(key: string): { readonly digest: Digest; readonly piece: number } | undefined {
  const bang = key.lastIndexOf('!')
  const digest = parseDigest(key.slice(FAMILY.piece.length, bang))
  const piece = key.slice(bang + 1)
  return digest !== undefined && /^[0-9a-f]{8}$/.test(piece) ? { digest, piece: Number.parseInt(piece, 16) } : undefined
}

/** What the keys of table `name` start with, or undefined when it is no name for a table. */
export function tablePrefix(name: string): string | undefined {
  return TABLE_NAME.test(name) ? `${FAMILY.table}${name}!` : undefined
}

/** Whether `key` can be a table's: well-formed text of 1 to `MAX_TABLE_KEY_BYTES` bytes. */
export function isTableKey(key: string): boolean {
  return key.length > 0 && key.isWellFormed() && Buffer.byteLength(key) <= MAX_TABLE_KEY_BYTES
}

export function encodeBlobRow(row: BlobRow): Uint8Array {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(row.size))
  view.setBigUint64(8, epochMs(row.lastUsedEpochMs))
  return bytes
}

export function decodeBlobRow(bytes: Uint8Array): BlobRow | undefined {
  if (bytes.length !== 16) return undefined
  const size = readSafeInteger(bytes, 0)
  const lastUsedEpochMs = readSafeInteger(bytes, 8)
  return size === undefined || lastUsedEpochMs === undefined ? undefined : { size, lastUsedEpochMs }
}

export function encodePartialRow(row: PartialRow): Uint8Array {
  const bytes = new Uint8Array(20)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(row.size))
  view.setUint32(8, row.pieceSize)
  view.setBigUint64(12, epochMs(row.lastUsedEpochMs))
  return bytes
}

export function decodePartialRow(bytes: Uint8Array): PartialRow | undefined {
  if (bytes.length !== 20) return undefined
  const size = readSafeInteger(bytes, 0)
  const pieceSize = viewOf(bytes).getUint32(8)
  const lastUsedEpochMs = readSafeInteger(bytes, 12)
  if (size === undefined || lastUsedEpochMs === undefined || pieceSize === 0) return undefined
  return { size, pieceSize, lastUsedEpochMs }
}

/** A piece's row is its proof and nothing else. Copies, because the caller may reuse its buffer. */
export function encodePieceRow(proof: Uint8Array): Uint8Array {
  return proof.slice()
}

export function decodePieceRow(bytes: Uint8Array): Uint8Array | undefined {
  return isProof(bytes) ? bytes : undefined
}

/** The proofs of a complete blob's `count` pieces, packed: as many hashes, or one more states. */
export function decodeProofsRow(bytes: Uint8Array | undefined, count: number): Uint8Array | undefined {
  const packed = bytes?.length ?? 0
  if (bytes === undefined || (packed !== count * HASH_BYTES && packed !== (count + 1) * HASH_BYTES)) return undefined
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** IEEE 754, because a pin may last for ever (Infinity). */
export function encodePinRow(untilEpochMs: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, untilEpochMs)
  return bytes
}

export function decodePinRow(bytes: Uint8Array): number | undefined {
  if (bytes.length !== 8) return undefined
  const untilEpochMs = viewOf(bytes).getFloat64(0)
  return Number.isNaN(untilEpochMs) ? undefined : untilEpochMs
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function readSafeInteger(bytes: Uint8Array, offset: number): number | undefined {
  const value = viewOf(bytes).getBigUint64(offset)
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined
}

/** A clock set before 1970 must not make rows unwritable. */
function epochMs(value: number): bigint {
  return BigInt(Math.max(0, Math.trunc(value)))
}
