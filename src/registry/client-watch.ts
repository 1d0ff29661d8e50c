import type { IncomingMessage, ServerResponse } from 'node:http'
import { abortError } from '../base/abort.ts'

/** Tells when the client of one request has left; disposed when the request is over. */
interface ClientWatch extends Disposable {
  readonly signal: AbortSignal
}

/**
 * Every response closes in the end, also one that still queues behind another on its connection; only before its
 * last byte was handed over does that mean the client has left.
 */
export function watchClient(request: IncomingMessage, response: ServerResponse): ClientWatch {
  const controller = new AbortController()
  let finished = false
  const onFinish = (): void => {
    finished = true
  }
  const onClose = (): void => {
    if (!finished) controller.abort(abortError('the client has left'))
  }
  response.once('finish', onFinish)
  response.once('close', onClose)
  if (request.socket.destroyed) onClose()
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      response.off('finish', onFinish)
      response.off('close', onClose)
    },
  }
}
