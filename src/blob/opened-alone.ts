import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import type { Outcome } from '../base/outcome.ts'
import { isRefused, refusalOf } from '../base/outcome.ts'
import { ALONE_MS } from '../base/patience.ts'
import { isUnstorable } from '../store/index.ts'
import type { Asker } from '../tier/index.ts'
import type { BlobReader } from './interface.ts'

/**
 * What has become of a blob that was asked for before anything was known of it, charged to `asker` if it was asked for in
 * vain. Undefined when it is not there in time, or the store cannot take it: then its size has to be asked for first.
 */
export async function openedAlone(
  opening: Promise<Outcome<BlobReader> | undefined>,
  { clock, asker }: { readonly clock: Clock; readonly asker: Asker },
  signal: AbortSignal,
): Promise<Outcome<BlobReader> | undefined> {
  let isInVain = true
  try {
    const waited = sleep(clock, ALONE_MS, signal).then(() => undefined)
    const outcome = await Promise.race([opening, waited])
    isInVain = isRefused(outcome)
    // whoever asks next for the same finds it further
    if (outcome === undefined) letGo(opening)
    return outcome
  } catch (error) {
    letGo(opening)
    signal.throwIfAborted()
    isInVain = !isUnstorable(error)
    return isInVain ? refusalOf(error) : undefined
  } finally {
    if (isInVain) asker.charge()
  }
}

/** Gives back what comes too late. */
function letGo(opening: Promise<Outcome<BlobReader> | undefined>): void {
  const giveBack = async (late: Outcome<BlobReader> | undefined): Promise<void> => {
    if (late !== undefined && !isRefused(late)) await late[Symbol.asyncDispose]()
  }
  opening.then(giveBack).catch(() => {})
}
