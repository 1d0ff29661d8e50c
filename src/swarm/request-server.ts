import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { withHops } from '../base/mirror-hops.ts'
import { refused } from '../base/outcome.ts'
import { withTraceparent } from '../base/tracing.ts'
import type { Response } from './registry.ts'
import type { CallFrame, Frame } from './wire.ts'

/** Found answers of one peer may wait with this many bytes: eight of the largest that are usual. More are refused. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024

/** Whether this host can do more for one peer now. */
export interface AnswerRoom {
  /** A request may be looked at. */
  readonly mayBegin: boolean
  /** An answer may be written. */
  readonly mayWrite: boolean
  /** Calls `tell` once, when it is worth asking again. */
  whenRoom(tell: () => void): void
  /** Part of an answer waits; equal parts of several peers' answers may be one and the same. */
  keep(part: object, bytes: number): void
  release(part: object): void
}

interface RequestServerDeps {
  readonly logger: Logger
  readonly send: (frame: Frame) => void
  readonly room: AnswerRoom
  /** Finds the answer; the signal aborts when the peer has lost interest or the link has ended. */
  readonly answer: (request: CallFrame, signal: AbortSignal) => Promise<Response>
  readonly refused: () => void
}

/** What of an answer costs memory until it is written. */
interface Part {
  readonly part: object
  readonly bytes: number
}

interface Found {
  readonly id: number
  readonly result: Response
  readonly parts: readonly Part[]
}

/**
 * The requests of one peer being answered, at most this many at once, those among them whose answers it has not taken. A
 * peer that does not read is asked to wait, not remembered at length: its next requests are not looked at, and what was
 * found is not written, until there is room.
 */
export class RequestServer {
  readonly #deps: RequestServerDeps
  readonly #maxRequests: number
  /** All of them, until the answer is written. */
  readonly #requests = new Map<number, AbortController>()
  #unread: CallFrame[] = []
  #found: Found[] = []
  #keptBytes = 0
  #waits = false
  #ended = false

  constructor(deps: RequestServerDeps, maxRequests: number) {
    this.#deps = deps
    this.#maxRequests = maxRequests
  }

  /** Throws `PEER_PROTOCOL` when the id is in use. */
  receive(request: CallFrame): void {
    if (this.#requests.has(request.id)) throw new ShoalError('PEER_PROTOCOL', 'a peer used the id of a request twice')
    if (this.#requests.size >= this.#maxRequests) {
      this.#deps.refused()
      this.#send(request.id, refused('unavailable', 'too many requests at once'))
      return
    }
    this.#requests.set(request.id, new AbortController())
    this.#unread.push(request)
    this.#go()
  }

  /** The peer no longer wants this answer. Its slot is free once the work has really stopped. */
  abandon(id: number): void {
    this.#requests.get(id)?.abort(new ShoalError('PEER_GONE', 'the peer no longer wants the answer'))
    const found = this.#found.find((one) => one.id === id)
    const begun = found === undefined && !this.#unread.some((request) => request.id === id)
    if (begun) return
    if (found !== undefined) this.#drop(found)
    this.#unread = this.#unread.filter((request) => request.id !== id)
    this.#requests.delete(id)
  }

  /** Aborts everything; nothing is answered any more. Idempotent. */
  end(error: ShoalError): void {
    this.#ended = true
    for (const controller of this.#requests.values()) controller.abort(error)
    for (const found of this.#found) this.#drop(found)
    this.#unread = []
  }

  /** As far as there is room: what was found first, then what was asked. */
  #go(): void {
    const { room } = this.#deps
    while (!this.#ended) {
      const [found] = this.#found
      const [request] = this.#unread
      if (found !== undefined && room.mayWrite) {
        this.#drop(found)
        this.#write(found)
      } else if (found === undefined && request !== undefined && room.mayBegin) {
        this.#unread.shift()
        // Cannot reject: whatever the handler does ends as an answer.
        void this.#run(request)
      } else break
    }
    if (this.#waits || this.#ended || this.#found.length + this.#unread.length === 0) return
    this.#waits = true
    room.whenRoom(() => {
      this.#waits = false
      this.#go()
    })
  }

  async #run(request: CallFrame): Promise<void> {
    const { id } = request
    const signal = this.#requests.get(id)!.signal
    let result: Response
    try {
      const answer = (): Promise<Response> => this.#deps.answer(request, signal)
      result = await withTraceparent(request.traceparent, () => withHops(request.hops ?? [], answer))
    } catch (error) {
      if (!signal.aborted)
        this.#deps.logger.error({ request: request.name, err: error }, 'the handler of a request failed')
      result = refused('unavailable', 'the request could not be answered')
    }
    if (signal.aborted || this.#ended) this.#requests.delete(id)
    else this.#keep({ id, result, parts: partsOf(result) })
    this.#go()
  }

  #keep(found: Found): void {
    const bytes = found.parts.reduce((sum, part) => sum + part.bytes, 0)
    if (this.#keptBytes > 0 && this.#keptBytes + bytes > MAX_KEPT_BYTES) {
      this.#deps.refused()
      this.#found.push({ id: found.id, result: refused('unavailable', 'too many answers wait to be read'), parts: [] })
      return
    }
    this.#keptBytes += bytes
    this.#found.push(found)
    for (const { part, bytes } of found.parts) this.#deps.room.keep(part, bytes)
  }

  #drop(found: Found): void {
    this.#found = this.#found.filter((one) => one !== found)
    for (const { part, bytes } of found.parts) {
      this.#keptBytes -= bytes
      this.#deps.room.release(part)
    }
  }

  #write({ id, result }: Found): void {
    this.#requests.delete(id)
    this.#send(id, result)
  }

  #send(id: number, result: Response): void {
    try {
      this.#deps.send({ frame: 'answer', id, result })
    } catch (error) {
      this.#deps.logger.error({ err: error }, 'an answer was too large to send')
      this.#deps.send({ frame: 'answer', id, result: refused('unavailable', 'the answer is too large') })
    }
  }
}

/** The byte strings and the lists of text in a response: what else there is costs little. */
function partsOf(value: unknown): Part[] {
  if (value instanceof Uint8Array) return [{ part: value, bytes: value.length }]
  if (typeof value !== 'object' || value === null) return []
  const inner: unknown[] = Object.values(value)
  if (!Array.isArray(value) || typeof inner[0] !== 'string') return inner.flatMap(partsOf)
  return [{ part: value, bytes: inner.reduce<number>((sum, text) => sum + String(text).length, 0) }]
}
