import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { currentHops } from '../base/mirror-hops.ts'
import type { Refusal } from '../base/outcome.ts'
import { currentTraceparent } from '../base/tracing.ts'
import type { Request, Response } from './registry.ts'
import type { CallFrame, Frame } from './wire.ts'
import { parseResult } from './wire.ts'

/** Requests that may wait for one of the link's slots. */
const MAX_WAITING_CALLS = 1024

interface Pending {
  readonly request: Request
  readonly body: unknown
  readonly hops: readonly string[]
  readonly traceparent: string | undefined
  /** Undefined while it waits for a slot. */
  id: number | undefined
  readonly settle: (outcome: { readonly result: unknown } | { readonly error: unknown }) => void
}

interface RequestClientDeps {
  readonly clock: Clock
  readonly send: (frame: Frame) => void
}

/** Our requests on one link: numbers them, keeps few of them in flight, and finds whose answer came in. */
export class RequestClient {
  readonly #deps: RequestClientDeps
  readonly #maxInFlight: number
  readonly #timeoutMs: number
  readonly #inFlight = new Map<number, Pending>()
  readonly #waiting = new Set<Pending>()
  #nextId = 1
  #ended: ShoalError | undefined

  constructor(deps: RequestClientDeps, options: { readonly maxRequests: number; readonly requestTimeoutMs: number }) {
    this.#deps = deps
    this.#maxInFlight = options.maxRequests
    this.#timeoutMs = options.requestTimeoutMs
  }

  /**
   * Rejects with the signal's reason, with `PEER_GONE` when the link ends, and with `UNAVAILABLE` when no answer came in
   * time or too many requests wait already.
   */
  request<B, R extends Response>(request: Request<B, R>, body: B, signal: AbortSignal): Promise<R | Refusal> {
    if (signal.aborted) return Promise.reject(signal.reason)
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    if (this.#waiting.size >= MAX_WAITING_CALLS) {
      return Promise.reject(new ShoalError('UNAVAILABLE', 'too many requests wait for this peer'))
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#abandon(pending, signal.reason)
      const timer = this.#deps.clock.after(this.#timeoutMs, () =>
        this.#abandon(
          pending,
          new ShoalError('UNAVAILABLE', `no answer to ${request.name} within ${this.#timeoutMs} ms`),
        ),
      )
      const pending: Pending = {
        request,
        body,
        hops: currentHops(),
        traceparent: currentTraceparent(),
        id: undefined,
        settle(outcome) {
          timer[Symbol.dispose]()
          signal.removeEventListener('abort', onAbort)
          // parsed by the request's own schema
          if ('result' in outcome) resolve(outcome.result as R | Refusal)
          else reject(outcome.error)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(pending)
      this.#fill()
    })
  }

  /** An answer has come in. Throws `PEER_PROTOCOL` when it is no answer to what was asked; unknown ids are ignored. */
  answered(id: number, result: unknown): void {
    const pending = this.#inFlight.get(id)
    if (pending === undefined) return
    const parsed = parseResult(pending.request, result)
    this.#inFlight.delete(id)
    pending.settle({ result: parsed })
    this.#fill()
  }

  /** Rejects everything asked. Idempotent. */
  end(error: ShoalError): void {
    if (this.#ended !== undefined) return
    this.#ended = error
    const all = [...this.#inFlight.values(), ...this.#waiting]
    this.#inFlight.clear()
    this.#waiting.clear()
    for (const pending of all) pending.settle({ error })
  }

  #abandon(pending: Pending, error: unknown): void {
    this.#waiting.delete(pending)
    if (pending.id !== undefined && this.#inFlight.delete(pending.id)) {
      this.#deps.send({ frame: 'abandon', id: pending.id })
    }
    pending.settle({ error })
    this.#fill()
  }

  #fill(): void {
    for (const pending of this.#waiting) {
      if (this.#ended !== undefined || this.#inFlight.size >= this.#maxInFlight) return
      this.#waiting.delete(pending)
      pending.id = this.#takeId()
      this.#inFlight.set(pending.id, pending)
      try {
        this.#deps.send(frameOf(pending, pending.id))
      } catch (error) {
        this.#inFlight.delete(pending.id)
        pending.settle({ error })
      }
    }
  }

  #takeId(): number {
    const id = this.#nextId
    this.#nextId = id === 0xffff_ffff ? 1 : id + 1
    return id
  }
}

function frameOf({ request, body, hops, traceparent }: Pending, id: number): CallFrame {
  const frame: CallFrame = { frame: 'call', id, name: request.name, args: body, traceparent }
  return hops.length === 0 ? frame : { ...frame, hops }
}
