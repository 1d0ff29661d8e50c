import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import { parseDigest } from '../oci/digest.ts'
import type { BlobStore, StoreTable, TableCodec } from '../store/index.ts'

/** Images pinned at the same time on one host: each is a row in memory of some kilobytes. */
const MAX_PINS = 1000
const MAX_BLOBS = 2000

export interface PinnedBlob {
  readonly digest: Digest
  readonly size: number
}

/** What a reference meant when it was pinned, and until when all of it stays. */
export interface Pin {
  /** Canonical: `host/repository:tag` or `host/repository@digest`. */
  readonly reference: string
  readonly digest: Digest
  /** Manifests, config and layers. */
  readonly blobs: readonly PinnedBlob[]
  readonly untilEpochMs: number
}

const digestSchema = z.string().transform((text, context): Digest => {
  const digest = parseDigest(text)
  if (digest !== undefined) return digest
  context.addIssue({ code: 'custom', message: 'is no digest' })
  return z.NEVER
})

const rowSchema = z.object({
  digest: digestSchema,
  blobs: z.array(z.tuple([digestSchema, z.int().nonnegative()])).max(MAX_BLOBS),
  untilEpochMs: z.number(),
  /** Its blobs' pins are being changed: a crash now leaves some as they were. */
  unsettled: z.boolean(),
})

type Row = z.infer<typeof rowSchema>

const codec: TableCodec<Row> = {
  encode: (row) => new TextEncoder().encode(JSON.stringify(row)),
  decode: (bytes) => {
    try {
      return rowSchema.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data
    } catch {
      return undefined
    }
  },
}

/**
 * Which images must stay, one row for each reference. The store pins blobs, and images share them: a blob's pin is the
 * latest end of all images that have it, so that taking one image's pin away leaves what another needs. A row says
 * so while its blobs' pins are being changed; opening puts right what a crash left half done.
 */
export class PinBook {
  readonly #store: BlobStore
  readonly #now: () => number
  readonly #table: StoreTable<Row>
  readonly #pins = new Map<string, Pin>()
  /** One change at a time. */
  #last: Promise<unknown> = Promise.resolve()

  private constructor(store: BlobStore, now: () => number) {
    this.#store = store
    this.#now = now
    this.#table = store.table('pins', codec)
  }

  /** Reads the rows and makes the store's pins agree with them. `now` is the wall clock, epoch milliseconds. */
  static async open(store: BlobStore, now: () => number): Promise<PinBook> {
    const book = new PinBook(store, now)
    const touched = new Set<Digest>()
    for await (const [reference, { digest, blobs, untilEpochMs, unsettled }] of book.#table.entries('')) {
      const pin = { reference, digest, blobs: blobs.map(([one, size]) => ({ digest: one, size })), untilEpochMs }
      book.#pins.set(reference, pin)
      if (unsettled) for (const blob of pin.blobs) touched.add(blob.digest)
    }
    await book.#dropEnded()
    const named = new Set([...book.#pins.values()].flatMap(({ blobs }) => blobs.map(({ digest }) => digest)))
    for (const { digest, pinnedUntilEpochMs } of store.list()) {
      if (pinnedUntilEpochMs !== undefined && !named.has(digest)) touched.add(digest)
    }
    await book.#settle(touched)
    for (const pin of book.#pins.values())
      if (pin.blobs.some(({ digest }) => touched.has(digest))) await book.#write(pin, false)
    return book
  }

  /** The pins that hold now, the first to end first. */
  list(): Pin[] {
    const now = this.#now()
    const live = [...this.#pins.values()].filter(({ untilEpochMs }) => untilEpochMs > now)
    return live.sort((a, b) => a.untilEpochMs - b.untilEpochMs || (a.reference < b.reference ? -1 : 1))
  }

  /**
   * Pins an image. What the reference was pinned to before is let go. `longest` keeps an end that lies further off:
   * a job must not cut short what an operator asked for. Throws `UNAVAILABLE` when there are too many pins.
   */
  put(pin: Pin, { longest = false }: { readonly longest?: boolean } = {}): Promise<Pin> {
    return this.#alone(async () => {
      await this.#dropEnded()
      const before = this.#pins.get(pin.reference)
      if (before === undefined && this.#pins.size >= MAX_PINS) {
        throw new ShoalError('UNAVAILABLE', `${MAX_PINS} images are pinned already; unpin some`)
      }
      if (pin.blobs.length > MAX_BLOBS) {
        throw new ShoalError('UNAVAILABLE', `${pin.reference} has more than ${MAX_BLOBS} blobs`)
      }
      const untilEpochMs = longest ? Math.max(pin.untilEpochMs, before?.untilEpochMs ?? 0) : pin.untilEpochMs
      const kept: Pin = { ...pin, untilEpochMs }
      await this.#write(kept, true)
      this.#pins.set(pin.reference, kept)
      await this.#settle([...(before?.blobs ?? []), ...kept.blobs].map(({ digest }) => digest))
      await this.#write(kept, false)
      return kept
    })
  }

  /** Whether there was such a pin. */
  remove(reference: string): Promise<boolean> {
    return this.#alone(async () => {
      const pin = this.#pins.get(reference)
      if (pin === undefined) return false
      await this.#write(pin, true)
      this.#pins.delete(reference)
      await this.#settle(pin.blobs.map(({ digest }) => digest))
      await this.#table.delete(reference)
      return pin.untilEpochMs > this.#now()
    })
  }

  /** Ended pins hold nothing back: the store goes by the time itself. Only their rows are left to delete. */
  async #dropEnded(): Promise<void> {
    const now = this.#now()
    for (const { reference, untilEpochMs } of this.#pins.values()) {
      if (untilEpochMs > now) continue
      await this.#table.delete(reference)
      this.#pins.delete(reference)
    }
  }

  async #write({ reference, digest, blobs, untilEpochMs }: Pin, unsettled: boolean): Promise<void> {
    const pairs = blobs.map((blob): [Digest, number] => [blob.digest, blob.size])
    await this.#table.put(reference, { digest, blobs: pairs, untilEpochMs, unsettled })
  }

  /** Gives every one of `digests` the latest end of all images that have it, or none. */
  async #settle(digests: Iterable<Digest>): Promise<void> {
    const until = new Map<Digest, number>()
    for (const { blobs, untilEpochMs } of this.#pins.values()) {
      for (const { digest } of blobs) until.set(digest, Math.max(untilEpochMs, until.get(digest) ?? 0))
    }
    for (const digest of new Set(digests)) {
      const end = until.get(digest)
      if (end === undefined) await this.#store.unpin(digest)
      else await this.#store.pin(digest, end)
    }
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }
}
