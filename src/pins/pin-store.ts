import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { silentLogger } from '../base/log.ts'
import type { Digest } from '../oci/digest.ts'
import { digestSchema } from '../oci/schema.ts'
import type { BlobStore, StoreTable } from '../store/index.ts'
import { jsonCodec } from '../store/index.ts'
import type { ContentPart } from './image-content.ts'

/** Images pinned at the same time on one host: each is a row in memory of some kilobytes. */
const MAX_PINS = 1000
const MAX_BLOBS = 2000
/** Of all of them together: some 40 MB. */
const MAX_ALL_BLOBS = 262_144

/** What a reference meant when it was pinned, and until when all of it stays. */
export interface Pin {
  /** Canonical: `host/repository:tag` or `host/repository@digest`. */
  readonly reference: string
  /** The prewarm job whose pin it is; null = an operator's. */
  readonly job: string | null
  readonly digest: Digest
  /** Manifests, config and layers. */
  readonly blobs: readonly ContentPart[]
  readonly untilEpochMs: number
}

export const pinRowSchema = z.object({
  digest: digestSchema,
  blobs: z.array(z.tuple([digestSchema, z.int().nonnegative()])).max(MAX_BLOBS),
  untilEpochMs: z.number(),
  /** Its blobs' pins are being changed: a crash now leaves some as they were. */
  unsettled: z.boolean(),
})

type Row = z.infer<typeof pinRowSchema>

/**
 * Which images must stay: a row for each reference and who pinned it, an operator or a job, so that neither changes
 * what the other asked for. The store pins blobs, and images share them: a blob's pin is the latest end of all rows that
 * have it, so that taking one away leaves what another needs. A row says so while its blobs' pins are being changed;
 * opening puts right what a crash left half done.
 */
export class PinStore {
  readonly #store: BlobStore
  readonly #clock: Pick<Clock, 'wall'>
  readonly #table: StoreTable<Row>
  readonly #pins = new Map<string, Pin>()
  /** One change at a time. */
  #last: Promise<unknown> = Promise.resolve()

  private constructor(store: BlobStore, clock: Pick<Clock, 'wall'>) {
    this.#store = store
    this.#clock = clock
    this.#table = store.table('pins', jsonCodec(pinRowSchema))
  }

  /**
   * Reads the rows and makes the store's pins agree with them; those beyond what may be pinned are dropped, with a log line.
   */
  static async open(store: BlobStore, clock: Pick<Clock, 'wall'>, logger: Logger = silentLogger): Promise<PinStore> {
    const opened = new PinStore(store, clock)
    const touched = new Set<Digest>()
    let dropped = 0
    for await (const [key, { digest, blobs, untilEpochMs, unsettled }] of opened.#table.entries('')) {
      if (!opened.#hasRoom(blobs.length)) {
        dropped++
        await opened.#table.delete(key)
        continue
      }
      const parts = blobs.map(([one, size]) => ({ digest: one, size }))
      const pin = { ...ownerOf(key), digest, blobs: parts, untilEpochMs }
      opened.#pins.set(key, pin)
      if (unsettled) for (const blob of pin.blobs) touched.add(blob.digest)
    }
    if (dropped > 0) logger.warn({ pins: dropped }, 'pins were dropped: they are too many or too large')
    await opened.#dropEnded()
    const named = new Set([...opened.#pins.values()].flatMap(({ blobs }) => blobs.map(({ digest }) => digest)))
    for (const { digest, pinnedUntilEpochMs } of store.list()) {
      if (pinnedUntilEpochMs !== undefined && !named.has(digest)) touched.add(digest)
    }
    await opened.#settle(touched)
    for (const pin of opened.#pins.values())
      if (pin.blobs.some(({ digest }) => touched.has(digest))) await opened.#write(pin, false)
    return opened
  }

  /** The pins that hold now, the first to end first. */
  list(): Pin[] {
    const now = this.#clock.wall()
    const live = [...this.#pins.values()].filter(({ untilEpochMs }) => untilEpochMs > now)
    return live.sort((a, b) => a.untilEpochMs - b.untilEpochMs || (a.reference < b.reference ? -1 : 1))
  }

  /** Pins an image, in place of what the same one had pinned by this reference. Throws `UNAVAILABLE` when there are too many. */
  put(pin: Pin): Promise<void> {
    return this.#alone(async () => {
      await this.#dropEnded()
      const before = this.#pins.get(keyOf(pin))
      if (before === undefined && !this.#hasRoom(pin.blobs.length)) {
        throw new ShoalError(
          'UNAVAILABLE',
          `${this.#pins.size} images are pinned already, and that is the most; unpin some`,
        )
      }
      if (pin.blobs.length > MAX_BLOBS) {
        throw new ShoalError('UNAVAILABLE', `${pin.reference} has more than ${MAX_BLOBS} blobs`)
      }
      await this.#write(pin, true)
      this.#pins.set(keyOf(pin), pin)
      await this.#settle([...(before?.blobs ?? []), ...pin.blobs].map(({ digest }) => digest))
      await this.#write(pin, false)
    })
  }

  /** Takes pins away; returns whether one of them still held. */
  remove(matches: (pin: Pin) => boolean): Promise<boolean> {
    return this.#alone(async () => {
      await this.#dropEnded()
      const gone = [...this.#pins].filter(([, pin]) => matches(pin))
      for (const [key, pin] of gone) {
        await this.#write(pin, true)
        this.#pins.delete(key)
        await this.#settle(pin.blobs.map(({ digest }) => digest))
        await this.#table.delete(key)
      }
      return gone.length > 0
    })
  }

  /** Ended pins hold nothing back: the store goes by the time itself. Only their rows are left to delete. */
  async #dropEnded(): Promise<void> {
    const now = this.#clock.wall()
    for (const [key, { untilEpochMs }] of this.#pins) {
      if (untilEpochMs > now) continue
      await this.#table.delete(key)
      this.#pins.delete(key)
    }
  }

  async #write(pin: Pin, unsettled: boolean): Promise<void> {
    const { digest, blobs, untilEpochMs } = pin
    const pairs = blobs.map((blob): [Digest, number] => [blob.digest, blob.size])
    await this.#table.put(keyOf(pin), { digest, blobs: pairs, untilEpochMs, unsettled })
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

  #hasRoom(blobs: number): boolean {
    return this.#pins.size < MAX_PINS && this.#blobs + blobs <= MAX_ALL_BLOBS
  }

  get #blobs(): number {
    let count = 0
    for (const { blobs } of this.#pins.values()) count += blobs.length
    return count
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }
}

/** A reference has no `#`. */
function keyOf({ reference, job }: Pick<Pin, 'reference' | 'job'>): string {
  return job === null ? reference : `${reference}#${job}`
}

function ownerOf(key: string): Pick<Pin, 'reference' | 'job'> {
  const [reference = key, job = null] = key.split('#')
  return { reference, job }
}
