import { Readable } from 'node:stream'
import { ownFileShares } from '../base/open-files.ts'
import { Slots } from '../base/slots.ts'

/** Below this many connections to origins none is kept that nobody uses: another registry may need it. */
const KEEP_FROM = 64

let slots: Slots | undefined

/** Whether connections are kept for the next request. */
export function keepsConnections(): boolean {
  return ownFileShares().origin >= KEEP_FROM
}

/**
 * Makes a request to an origin when this process may have one more connection (by its share of the files it may open); the
 * connection counts until `body` of what comes is closed. Rejects as `send` does, and with the signal's reason.
 */
export async function withConnection<T>(
  signal: AbortSignal,
  send: () => Promise<T>,
  body: (answer: T) => unknown,
): Promise<T> {
  slots ??= new Slots(ownFileShares().origin)
  const slot = await slots.take(signal)
  const release = (): void => slot[Symbol.dispose]()
  try {
    const answer = await send()
    const stream = body(answer)
    if (stream instanceof Readable && !stream.closed) stream.once('close', release)
    else release()
    return answer
  } catch (error) {
    release()
    throw error
  }
}
