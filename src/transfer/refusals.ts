import { errorText, isShoalError } from '../base/errors.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { CallRefusal } from '../swarm/index.ts'
import type { TransferRef } from './transfer.ts'

/** What a failure means to who asked for the content. */
export function refusalFor(error: unknown): CallRefusal {
  const isDenied = isShoalError(error, 'ORIGIN_DENIED')
  const reason = isShoalError(error, 'ORIGIN_UNKNOWN') ? 'unknown' : isDenied ? 'denied' : 'unavailable'
  return { kind: 'refused', reason, message: errorText(error).slice(0, 400) }
}

export function otherSize(request: TransferRef, announced: PieceLayout, found: PieceLayout): CallRefusal {
  const message = `${request.digest} has ${found.size} bytes at its source, ${announced.size} by its manifest`
  return { kind: 'refused', reason: 'unavailable', message }
}
