import type { Clock } from '../base/clock.ts'
import type { ShoalError } from '../base/errors.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Digest } from '../oci/digest.ts'
import { isBackground } from '../scheduler/index.ts'
import { isUnstorable } from '../store/index.ts'
import type { Active } from './active.ts'

const REMEMBERED_MS = 3_000
const MAX_REMEMBERED = 1_024

/** Blobs that have just failed here: whoever asks is told at once, instead of starting the same again. */
export class RecentFailures {
  readonly #errors: ExpiringMap<ShoalError>

  constructor(clock: Clock) {
    this.#errors = new ExpiringMap(clock, MAX_REMEMBERED)
  }

  get(digest: Digest): ShoalError | undefined {
    return this.#errors.get(digest)
  }

  /**
   * No room is not a failure of the sources: the next reader passes the blob through memory. And whoever waits for a blob
   * may find it where one that nobody waits for does not look, unless it is a home that looked.
   */
  note({ transfer, order, entry }: Active, error: ShoalError): void {
    const isOwn = isUnstorable(error) || (isBackground(order) && entry === 'forClient')
    if (!isOwn) this.#errors.set(transfer.digest, error, REMEMBERED_MS)
  }
}
