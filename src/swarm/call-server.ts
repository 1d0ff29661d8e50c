import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { CallName, CallRefusal, CallResults } from './interface.ts'
import type { CallFrame, Frame } from './wire.ts'

/** Found answers of one peer may wait with so many bytes: eight of the largest that are usual. More are refused. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024

/** Whether this host can do more for one peer now. */
export interface AnswerRoom {
  /** A question may be looked at. */
  readonly mayBegin: boolean
  /** An answer may be written. */
  readonly mayWrite: boolean
  /** Calls `tell` once, when it is worth asking again. */
  whenRoom(tell: () => void): void
  /** Part of an answer waits; equal parts of several peers' answers may be one and the same. */
  keep(part: object, bytes: number): void
  release(part: object): void
}

interface CallServerDeps {
  readonly logger: Logger
  readonly send: (frame: Frame) => void
  readonly room: AnswerRoom
  /** Finds the answer; the signal aborts when the peer has lost interest or the link has ended. */
  readonly answer: (call: CallFrame, signal: AbortSignal) => Promise<CallResults[CallName]>
  readonly refused: () => void
}

/** What of an answer costs memory until it is written. */
interface Part {
  readonly part: object
  readonly bytes: number
}

interface Found {
  readonly id: number
  readonly result: CallResults[CallName]
  readonly parts: readonly Part[]
}

/**
 * The questions of one peer being answered, at most so many at once, those among them whose answers it has not taken. A
 * peer that does not read is asked to wait, not remembered at length: its next questions are not looked at, and what was
 * found is not written, until there is room.
 */
export class CallServer {
  readonly #deps: CallServerDeps
  readonly #maxCalls: number
  /** All of them, until the answer is written. */
  readonly #calls = new Map<number, AbortController>()
  #unread: CallFrame[] = []
  #found: Found[] = []
  #keptBytes = 0
  #waits = false
  #ended = false

  constructor(deps: CallServerDeps, maxCalls: number) {
    this.#deps = deps
    this.#maxCalls = maxCalls
  }

  /** Throws `PEER_PROTOCOL` when the id is in use. */
  receive(call: CallFrame): void {
    if (this.#calls.has(call.id)) throw new ShoalError('PEER_PROTOCOL', 'a peer used a call id twice')
    if (this.#calls.size >= this.#maxCalls) {
      this.#deps.refused()
      this.#send(call.id, unavailable('too many questions at once'))
      return
    }
    this.#calls.set(call.id, new AbortController())
    this.#unread.push(call)
    this.#go()
  }

  /** The peer no longer wants this answer. Its slot is free once the work has really stopped. */
  abandon(id: number): void {
    this.#calls.get(id)?.abort(new ShoalError('PEER_GONE', 'the peer no longer wants the answer'))
    const found = this.#found.find((one) => one.id === id)
    const begun = found === undefined && !this.#unread.some((call) => call.id === id)
    if (begun) return
    if (found !== undefined) this.#drop(found)
    this.#unread = this.#unread.filter((call) => call.id !== id)
    this.#calls.delete(id)
  }

  /** Aborts everything; nothing is answered any more. Idempotent. */
  end(error: ShoalError): void {
    this.#ended = true
    for (const controller of this.#calls.values()) controller.abort(error)
    for (const found of this.#found) this.#drop(found)
    this.#unread = []
  }

  /** As far as there is room: what was found first, then what was asked. */
  #go(): void {
    const { room } = this.#deps
    while (!this.#ended) {
      const [found] = this.#found
      const [call] = this.#unread
      if (found !== undefined && room.mayWrite) {
        this.#drop(found)
        this.#write(found)
      } else if (found === undefined && call !== undefined && room.mayBegin) {
        this.#unread.shift()
        // Cannot reject: whatever the handler does ends as an answer.
        void this.#run(call)
      } else break
    }
    if (this.#waits || this.#ended || this.#found.length + this.#unread.length === 0) return
    this.#waits = true
    room.whenRoom(() => {
      this.#waits = false
      this.#go()
    })
  }

  async #run(call: CallFrame): Promise<void> {
    const { id } = call
    const signal = this.#calls.get(id)!.signal
    let result: CallResults[CallName]
    try {
      result = await this.#deps.answer(call, signal)
    } catch (error) {
      if (!signal.aborted) this.#deps.logger.error({ call: call.name, err: error }, 'a call handler failed')
      result = unavailable('the question could not be answered')
    }
    if (signal.aborted || this.#ended) this.#calls.delete(id)
    else this.#keep({ id, result, parts: partsOf(result) })
    this.#go()
  }

  #keep(found: Found): void {
    const bytes = found.parts.reduce((sum, part) => sum + part.bytes, 0)
    if (this.#keptBytes > 0 && this.#keptBytes + bytes > MAX_KEPT_BYTES) {
      this.#deps.refused()
      this.#found.push({ id: found.id, result: unavailable('too many answers wait to be read'), parts: [] })
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
    this.#calls.delete(id)
    this.#send(id, result)
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

function partsOf(result: CallResults[CallName]): Part[] {
  switch (result.kind) {
    case 'inline':
    case 'manifest':
    case 'referrers':
      return [{ part: result.bytes, bytes: result.bytes.length }]
    case 'prewarm':
      return [{ part: result.body, bytes: result.body.length }]
    case 'swarm':
      return result.runs.map(({ hashes }) => ({ part: hashes, bytes: hashes.length }))
    case 'tags':
      return [{ part: result.tags, bytes: result.tags.reduce((sum, tag) => sum + tag.length, 0) }]
    case 'stat':
    case 'done':
    case 'members':
    case 'refused':
      return []
    default:
      return result satisfies never
  }
}
