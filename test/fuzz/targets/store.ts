import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import type { z } from 'zod'
import { silentLogger } from '../../../src/base/log.ts'
import { grantSchema } from '../../../src/blob/grants.ts'
import { tagRowSchema } from '../../../src/blob/tag-cache.ts'
import { count, epochMs } from '../../../src/orders/index.ts'
import { pinRowSchema } from '../../../src/pins/pin-store.ts'
import { rosterSchema } from '../../../src/prewarm/job-store.ts'
import { decide, scheduleRowSchema, scheduleView } from '../../../src/prewarm/schedule.ts'
import { planSchema, reportSchema, rowSchema } from '../../../src/prewarm/shapes.ts'
import { prepareDirectory } from '../../../src/store/format-file.ts'
import { jsonCodec } from '../../../src/store/index.ts'
import { StorePaths } from '../../../src/store/paths.ts'
import {
  blobKey,
  decodeBlobRow,
  decodePartialRow,
  decodePieceRow,
  decodePinRow,
  decodeProofsRow,
  encodeBlobRow,
  encodePartialRow,
  encodePinRow,
  isTableKey,
  keyDigest,
  parsePieceKey,
  pieceKey,
} from '../../../src/store/rows.ts'
import { scrubStateSchema } from '../../../src/store/scrub.ts'
import { loadIdentity } from '../../../src/swarm/identity.ts'
import { near, textOf } from '../damage.ts'
import { jsonBytes } from '../json.ts'
import { sampleDigest } from '../samples.ts'
import type { Target } from '../target.ts'
import { valueFor } from '../values.ts'

const NOW = 1_700_000_000_000
const clock = { wall: () => NOW }
const DIGEST = sampleDigest('one')

/** A row that is read is one that would be written. */
export const indexRows: Target = {
  what: "the index's rows and keys: blobs, partials, pieces, proofs, pins",
  input: near(
    fc.oneof(
      fc.constant(encodeBlobRow({ size: 5000, lastUsedEpochMs: NOW })),
      fc.constant(encodePartialRow({ size: 5000, pieceSize: 1024, lastUsedEpochMs: NOW })),
      fc.constantFrom(encodePinRow(NOW), encodePinRow(Number.POSITIVE_INFINITY), new Uint8Array(32)),
      fc
        .constantFrom(blobKey(DIGEST), pieceKey(DIGEST, 7), 't!tags!key')
        .map((key) => new Uint8Array(Buffer.from(key))),
    ),
  ),
  refusals: [],
  read(bytes) {
    const blob = decodeBlobRow(bytes)
    if (blob !== undefined) assert.deepEqual(encodeBlobRow(blob), bytes)
    const partial = decodePartialRow(bytes)
    if (partial !== undefined) assert.deepEqual(encodePartialRow(partial), bytes)
    const pin = decodePinRow(bytes)
    const key = textOf(bytes)
    isTableKey(key)
    const named = parsePieceKey(key)
    if (named !== undefined) assert.equal(pieceKey(named.digest, named.piece).slice(2), key.slice(2))
    decodeProofsRow(bytes, 1)
    return blob ?? partial ?? pin ?? decodePieceRow(bytes) ?? keyDigest(key)
  },
}

const TABLES: readonly z.ZodType[] = [
  tagRowSchema,
  grantSchema,
  pinRowSchema,
  rowSchema,
  rosterSchema,
  reportSchema,
  count,
  planSchema,
  epochMs,
  scrubStateSchema,
  scheduleRowSchema,
]

/** The first byte says which table it is. A row of another shape is none, and nothing is thrown. */
export const tableRows: Target = {
  what: "rows of tables: tags, rights, pins, jobs, schedules, a scrub's state",
  input: near(
    fc.oneof(...TABLES.map((schema, i) => jsonBytes(valueFor(schema)).map((bytes) => Uint8Array.of(i, ...bytes)))),
  ),
  refusals: [],
  read(bytes) {
    const schema = TABLES[(bytes[0] ?? 0) % TABLES.length] ?? count
    const value: unknown = jsonCodec(schema).decode(bytes.subarray(1))
    const { data: schedule } = scheduleRowSchema.safeParse(value)
    if (schedule !== undefined) {
      decide(schedule, NOW)
      scheduleView(schedule, NOW)
    }
    return value
  },
}

const FORMAT = 'shoal-store 1\n'
const IDENTITY = `shoal-identity-v1:${Buffer.alloc(32, 1).toString('base64url')}\n`
const OWN_FILES = ['format', 'identity', 'identity-host'] as const

/** The first byte says which file it is. A start succeeds whatever is in it, or says which other format it is. */
export const ownFiles: Target = {
  what: "a host's own small files: the store's format, its identity",
  input: near(
    fc
      .constantFrom([0, FORMAT], [0, 'shoal-store 2\n'], [1, IDENTITY], [2, '{"machine":"a"}'] as const)
      .map(([file, text]) => Uint8Array.of(Number(file), ...Buffer.from(String(text)))),
  ),
  isTimed: false,
  refusals: ['STORE_FAILED'],
  async read(bytes, scratch) {
    const root = join(scratch, 'store')
    rmSync(root, { recursive: true, force: true })
    mkdirSync(join(root, 'blobs', 'sha256'), { recursive: true })
    mkdirSync(join(root, 'partial', 'sha256'), { recursive: true })
    writeFileSync(join(root, 'format'), FORMAT)
    writeFileSync(join(root, 'identity'), IDENTITY)
    const name = OWN_FILES[(bytes[0] ?? 0) % OWN_FILES.length] ?? 'format'
    writeFileSync(join(root, name), bytes.subarray(1))
    const key = await loadIdentity(join(root, 'identity'), { clock, logger: silentLogger, facts: async () => ({}) })
    const isMended = await prepareDirectory(new StorePaths(root), { clock, logger: silentLogger })
    return isMended || readFileSync(join(root, 'identity'), 'utf8') !== IDENTITY ? undefined : key
  },
}
