import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { CallName, CallRefusal, CallResults } from './interface.ts'
import type { CallFrame, Frame } from './wire.ts'

interface CallServerDeps {
  readonly logger: Logger
  readonly send: (frame: Frame) => void
  /** Finds the answer; the signal aborts when the peer has lost interest or the link has ended. */
  readonly answer: (call: CallFrame, signal: AbortSignal) => Promise<CallResults[CallName]>
  readonly refused: () => void
}

/** The questions of one peer being answered, at most so many at once. */
export class CallServer {
  readonly #deps: CallServerDeps
  readonly #maxCalls: number
  readonly #running = new Map<number, AbortController>()
  #ended = false

  constructor(deps: CallServerDeps, maxCalls: number) {
    this.#deps = deps
    this.#maxCalls = maxCalls
  }

  /** Throws `PEER_PROTOCOL` when the id is in use. */
  receive(call: CallFrame): void {
    if (this.#running.has(call.id)) throw new ShoalError('PEER_PROTOCOL', 'a peer used a call id twice')
    if (this.#running.size >= this.#maxCalls) {
      this.#deps.refused()
      this.#send(call.id, unavailable('too many questions at once'))
      return
    }
    const controller = new AbortController()
    this.#running.set(call.id, controller)
    // Cannot reject: whatever the handler does ends as an answer.
    void this.#run(call, controller.signal)
  }

  /** The peer no longer wants this answer. Its slot is free once the work has really stopped. */
  abandon(id: number): void {
    this.#running.get(id)?.abort(new ShoalError('PEER_GONE', 'the peer no longer wants the answer'))
  }

  /** Aborts everything; nothing is answered any more. Idempotent. */
  end(error: ShoalError): void {
    this.#ended = true
    for (const controller of this.#running.values()) controller.abort(error)
  }

  async #run(call: CallFrame, signal: AbortSignal): Promise<void> {
    let result: CallResults[CallName]
    try {
      result = await this.#deps.answer(call, signal)
    } catch (error) {
      if (!signal.aborted) this.#deps.logger.error({ call: call.name, err: error }, 'a call handler failed')
      result = unavailable('the question could not be answered')
    }
    this.#running.delete(call.id)
    if (!signal.aborted && !this.#ended) this.#send(call.id, result)
  }

  #send(id: number, result: CallResults[CallName]): void {
    try {
      this.#deps.send({ frame: 'answer', id, result })
    } catch (error) {
      this.#deps.logger.error({ err: error }, 'an answer was too large to send')
      this.#deps.send({ frame: 'answer', id, result: unavailable('the answer is too large') })
    }
  }
}

/** The answer of a side that cannot answer, now or at all. */
export function unavailable(message: string): CallRefusal {
  return { kind: 'refused', reason: 'unavailable', message }
}
