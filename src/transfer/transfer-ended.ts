import { raceAbort } from '../base/abort.ts'
import type { ReadTransfer } from './interface.ts'

/** Keeps a transfer going and resolves when it has ended, however. Rejects with the signal's reason; the transfer then lingers. */
export async function transferEnded(transfer: ReadTransfer, signal: AbortSignal): Promise<void> {
  using _hold = transfer.hold()
  const { promise, resolve } = Promise.withResolvers<void>()
  if (transfer.signal.aborted) return
  const onEnd = (): void => resolve()
  transfer.signal.addEventListener('abort', onEnd, { once: true })
  try {
    await raceAbort(promise, signal)
  } finally {
    transfer.signal.removeEventListener('abort', onEnd)
  }
}
