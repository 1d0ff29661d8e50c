import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { CallArguments, CallName, CallResults } from './interface.ts'
import type { CallFrame, Frame } from './wire.ts'
import { parseResult } from './wire.ts'

/** Calls that may wait for one of the link's slots. */
const MAX_WAITING_CALLS = 1024

interface Pending {
  readonly name: CallName
  readonly args: CallArguments[CallName]
  /** Undefined while it waits for a slot. */
  id: number | undefined
  readonly settle: (outcome: { readonly result: unknown } | { readonly error: unknown }) => void
}

interface CallClientDeps {
  readonly clock: Clock
  readonly send: (frame: Frame) => void
}

/** Our questions on one link: numbers them, keeps few of them in flight, and finds whose answer came in. */
export class CallClient {
  readonly #deps: CallClientDeps
  readonly #maxInFlight: number
  readonly #timeoutMs: number
  readonly #inFlight = new Map<number, Pending>()
  readonly #waiting = new Set<Pending>()
  #nextId = 1
  #ended: ShoalError | undefined

  constructor(deps: CallClientDeps, options: { readonly maxCalls: number; readonly callTimeoutMs: number }) {
    this.#deps = deps
    this.#maxInFlight = options.maxCalls
    this.#timeoutMs = options.callTimeoutMs
  }

  /**
   * Rejects with the signal's reason, with `PEER_GONE` when the link ends, and with `UNAVAILABLE` when no answer came in
   * time or too many questions wait already.
   */
  call<N extends CallName>(name: N, args: CallArguments[N], signal: AbortSignal): Promise<CallResults[N]> {
    if (signal.aborted) return Promise.reject(signal.reason)
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    if (this.#waiting.size >= MAX_WAITING_CALLS) {
      return Promise.reject(new ShoalError('UNAVAILABLE', 'too many questions wait for this peer'))
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#abandon(pending, signal.reason)
      const timer = this.#deps.clock.after(this.#timeoutMs, () =>
        this.#abandon(pending, new ShoalError('UNAVAILABLE', `no answer to ${name} within ${this.#timeoutMs} ms`)),
      )
      const pending: Pending = {
        name,
        args,
        id: undefined,
        settle(outcome) {
          timer[Symbol.dispose]()
          signal.removeEventListener('abort', onAbort)
          // The result was parsed by the schema of `name`.
          if ('result' in outcome) resolve(outcome.result as CallResults[N])
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
    const parsed = parseResult(pending.name, result)
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
        // The name and its arguments were typed together by call().
        this.#deps.send({ frame: 'call', id: pending.id, name: pending.name, args: pending.args } as CallFrame)
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
