import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import { errnoCode } from '../base/errno.ts'

/** Entries that wait while nobody takes them: some thousands. */
const MAX_QUEUED_BYTES = 1024 * 1024
const RETRY_MS = 50

/** How a descriptor is written to. */
type Way =
  /** A pipe of our own opening that says when it is full: written at once. */
  | 'at once'
  /** Anything whose write may hang (a file, a terminal, a socket): one write at a time, off the event loop. */
  | 'in turn'

/**
 * Where log lines leave the process. A reader that stalls or has gone, and a disk that is full, broken or frozen, cost
 * lines and nothing else: they wait in a bounded queue, and what does not fit or cannot be written is counted and dropped.
 */
export class LogSink implements Disposable {
  readonly #fd: number
  readonly #way: Way
  readonly #owned: boolean
  readonly #idle = new Set<() => void>()
  #queue: Buffer[] = []
  #queuedBytes = 0
  #writing = false
  #retry: NodeJS.Timeout | undefined
  #dropped = 0
  #droppedSince = 0
  /** Told of lines that are lost. */
  onDropped: ((lines: number) => void) | undefined
  /** Told, once lines get through again, how many did not. */
  onResumed: ((dropped: number) => void) | undefined

  constructor(fd: number) {
    const pipe = openPipe(fd)
    this.#fd = pipe ?? fd
    this.#owned = pipe !== undefined
    this.#way = pipe === undefined ? 'in turn' : 'at once'
  }

  /** Lines dropped since the start. */
  get dropped(): number {
    return this.#dropped
  }

  /** Takes one line. Never blocks, never throws. */
  write(line: string): void {
    const bytes = Buffer.from(line)
    if (this.#queuedBytes + bytes.length > MAX_QUEUED_BYTES) {
      this.#drop(1)
      return
    }
    this.#queue.push(bytes)
    this.#queuedBytes += bytes.length
    this.#drain()
  }

  /** Resolves once everything is written or dropped, at the latest after `ms`. */
  flush(ms: number): Promise<void> {
    if (this.#queue.length === 0 && !this.#writing) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#idle.delete(done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      this.#idle.add(done)
    })
  }

  /** Writes what can be written now; what cannot is lost. For the end of the process. */
  [Symbol.dispose](): void {
    clearTimeout(this.#retry)
    // a write that is under way may hang, and so would the next
    for (const bytes of this.#writing ? [] : this.#queue) {
      try {
        writeSync(this.#fd, bytes)
      } catch {
        break
      }
    }
    this.#take(this.#queue.length)
    if (this.#owned) closeSync(this.#fd)
  }

  #drain(): void {
    if (this.#writing || this.#retry !== undefined) return
    if (this.#way === 'at once') this.#drainAtOnce()
    else if (this.#queue.length > 0) this.#writeHead()
  }

  #drainAtOnce(): void {
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      try {
        if (!this.#written(head, writeSync(this.#fd, head))) return
      } catch (error) {
        if (!this.#failed(error)) return
      }
    }
  }

  #writeHead(): void {
    // what gathered during the last write goes as one
    const head = this.#queue.length === 1 ? this.#queue[0]! : Buffer.concat(this.#queue)
    const lines = this.#queue.length
    this.#queue = [head]
    this.#writing = true
    write(this.#fd, head, (error, bytes) => {
      this.#writing = false
      if (error !== null) this.#failed(error, lines)
      else this.#written(head, bytes)
      this.#drain()
    })
  }

  /** False when the rest of the line has to wait. */
  #written(head: Buffer, bytes: number): boolean {
    if (bytes < head.length) {
      this.#queuedBytes -= bytes
      this.#queue[0] = head.subarray(bytes)
      if (this.#way === 'at once') this.#later()
      return false
    }
    this.#take(1)
    const dropped = this.#droppedSince
    this.#droppedSince = 0
    if (dropped > 0) this.onResumed?.(dropped)
    return true
  }

  /** A full pipe is tried again; whatever else is wrong costs the line. True when the next may be tried at once. */
  #failed(error: unknown, lines = 1): boolean {
    if (errnoCode(error) === 'EAGAIN') {
      this.#later()
      return false
    }
    this.#take(1)
    this.#drop(lines)
    return true
  }

  #take(count: number): void {
    for (const bytes of this.#queue.splice(0, count)) this.#queuedBytes -= bytes.length
    if (this.#queue.length === 0) for (const done of [...this.#idle]) done()
  }

  #drop(lines: number): void {
    this.#dropped += lines
    this.#droppedSince += lines
    this.onDropped?.(lines)
  }

  #later(): void {
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#drain()
    }, RETRY_MS)
    this.#retry.unref()
  }
}

/**
 * A pipe opened anew does not block, and whoever shares the old descriptor notices nothing of that. Undefined for what
 * is no pipe, or cannot be opened again.
 */
function openPipe(fd: number): number | undefined {
  try {
    if (!fstatSync(fd).isFIFO()) return undefined
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch {
    return undefined
  }
}
