import type { KeyObject } from 'node:crypto'
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Logger } from '../base/log.ts'
import type { Counter, MetricRegistry } from '../base/metrics.ts'
import type { Refusal } from '../base/outcome.ts'
import { refused } from '../base/outcome.ts'
import { readSignatures, signatureTag, signedBy } from '../oci/cosign.ts'
import { digestOf } from '../oci/digest.ts'
import type { BlobRef } from '../oci/reference.ts'
import type { OriginChain } from '../origin/index.ts'
import type { BlobStore, StoreTable } from '../store/index.ts'
import { jsonCodec } from '../store/index.ts'
import { fetchSmall } from '../transfer/index.ts'

/** A signature may be pushed a moment after its image. */
const UNSIGNED_MS = 10_000
const MAX_UNSIGNED = 4_096
/** An image that is still asked for is noted anew this often. */
const NOTE_EVERY_MS = 86_400_000

const RESULTS = ['signed', 'unsigned', 'unavailable'] as const

const rowSchema = z.object({ checkedEpochMs: z.number() })
type Row = z.infer<typeof rowSchema>

/** A key that may sign the images of an upstream. */
export interface SignatureKey {
  readonly key: KeyObject
  /** Where it was read from, for people. */
  readonly file: string
}

interface ImageSignaturesDeps {
  readonly store: Pick<BlobStore, 'table'>
  readonly clock: Pick<Clock, 'now' | 'wall'>
  readonly logger: Logger
  readonly registry: MetricRegistry
  /** One of these must have signed what a tag of the upstream points to; undefined: nothing need be signed. */
  readonly keys: (upstream: string) => readonly SignatureKey[] | undefined
}

/**
 * Whether images are signed, where an upstream wants that: looked up at the origin by whoever asks it what a tag points to, which
 * is the home of the uppermost region, once for each image and key. What was found good stays so, whatever becomes of the origin.
 */
export class ImageSignatures {
  readonly #deps: ImageSignaturesDeps
  readonly #table: StoreTable<Row>
  readonly #unsigned: ExpiringMap<Refusal>
  readonly #checks: Counter<{ result: (typeof RESULTS)[number] }>

  constructor(deps: ImageSignaturesDeps) {
    this.#deps = deps
    this.#table = deps.store.table('signatures', jsonCodec(rowSchema))
    this.#unsigned = new ExpiringMap(deps.clock, MAX_UNSIGNED)
    this.#checks = deps.registry.counter(
      'shoal_signature_checks_total',
      'Images whose signatures were looked up at the origin of an upstream that wants them, by what was found',
      { result: RESULTS },
    )
  }

  /** Whether an image was found to be signed, or need not be. Asks nobody. */
  async isGood({ upstream, digest }: Pick<BlobRef, 'upstream' | 'digest'>): Promise<boolean> {
    const keys = this.#deps.keys(upstream)
    if (keys === undefined) return true
    const now = this.#deps.clock.wall()
    for (const key of keys) {
      const row = await this.#table.get(rowOf(key, digest))
      if (row === undefined) continue
      if (now - row.checkedEpochMs > NOTE_EVERY_MS) await this.#table.put(rowOf(key, digest), { checkedEpochMs: now })
      return true
    }
    return false
  }

  /** Why an image may not be had by its tag; undefined when it may. Rejects as the origin does when it cannot be asked. */
  async refuses(
    chain: OriginChain,
    ref: BlobRef & { readonly authorization?: string | undefined },
    signal: AbortSignal,
  ): Promise<Refusal | undefined> {
    const keys = this.#deps.keys(ref.upstream)
    if (keys === undefined || (await this.isGood(ref))) return undefined
    const name = `${ref.upstream}/${ref.repository}@${ref.digest} ${keys.map(fingerprint).join(' ')}`
    const known = this.#unsigned.get(name)
    if (known !== undefined) return known
    let signer: SignatureKey | undefined
    try {
      signer = await this.#signer(chain, ref, keys, signal)
    } catch (error) {
      if (!signal.aborted) this.#checks.inc({ result: 'unavailable' })
      throw error
    }
    this.#checks.inc({ result: signer === undefined ? 'unsigned' : 'signed' })
    if (signer !== undefined) {
      await this.#table.put(rowOf(signer, ref.digest), { checkedEpochMs: this.#deps.clock.wall() })
      return undefined
    }
    const { upstream, repository, digest } = ref
    const files = keys.map(({ file }) => file).join(', ')
    const message = `${upstream}/${repository}@${digest} is not signed by a key of this upstream (${files})`
    const refusal = refused('denied', message)
    this.#unsigned.set(name, refusal, UNSIGNED_MS)
    this.#deps.logger.warn({ upstream, repository, digest, keys: files }, 'an image is refused: it is not signed')
    return refusal
  }

  /** Forgets what was found of images that nobody has asked for since `beforeEpochMs`. */
  async sweep(beforeEpochMs: number): Promise<void> {
    for await (const [row, { checkedEpochMs }] of this.#table.entries('')) {
      if (checkedEpochMs < beforeEpochMs) await this.#table.delete(row)
    }
  }

  /** The first signature that holds. */
  async #signer(
    chain: OriginChain,
    ref: BlobRef & { readonly authorization?: string | undefined },
    keys: readonly SignatureKey[],
    signal: AbortSignal,
  ): Promise<SignatureKey | undefined> {
    const { repository, digest, authorization } = ref
    const query = { repository, authorization, signal }
    const resolution = await chain.resolveTag({ ...query, tag: signatureTag(digest) })
    if (resolution.kind !== 'found') return undefined
    const { state } = resolution
    const manifest = resolution.manifest ?? (await chain.manifest({ ...query, digest: state.digest }))
    // what is not what it is called is no signature
    if (manifest === undefined || digestOf(manifest.bytes, state.digest) !== state.digest) return undefined
    for (const { payload, size, signature } of readSignatures(manifest.bytes)) {
      const bytes = await fetchSmall(chain, { ...ref, digest: payload }, size, [], signal)
      const signer = bytes && signedBy(keys, digest, bytes, signature)
      if (signer !== undefined) return signer
    }
    return undefined
  }
}

function rowOf(key: SignatureKey, digest: string): string {
  return `${fingerprint(key)} ${digest}`
}

function fingerprint({ key }: SignatureKey): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}
