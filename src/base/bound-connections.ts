import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AcceptPause } from './accept-pause.ts'
import { systemClock } from './clock.ts'

/** A connection that has just been made, or has just been answered, may bring a request: it is not idle yet. */
const JUST_MS = 1_000

/** With fewer connections none is kept for a further request: somebody else may wait for it. */
const KEEP_FROM = 64

/**
 * Bounds a server's connections so that whoever opens many silences nobody: beyond `most`, the one that has been
 * without a request for longest ends, not the new one. Only while every connection has a request running is a new one
 * turned away. (Node's own `maxConnections` turns new ones away however idle the others are.)
 */
export function boundConnections(server: Server, most: number): void {
  const connections = new Connections(server)
  server.on('connection', (socket: Socket) => {
    if (connections.open > most && !connections.endIdle()) socket.destroy()
  })
}

/**
 * The same, but nobody is turned away: while all of `most` connections are in use, new ones wait in the kernel's queue, and
 * those that are answered are closed instead of kept. Disposing ends all waiting.
 */
export function queueConnections(server: Server, most: number): Disposable {
  const connections = new Connections(server)
  const accepting = new AcceptPause(server)
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  const look = (): void => {
    if (isOver) return
    const isFull = connections.open >= most && !connections.hasIdle(JUST_MS)
    if (!isFull) accepting.resume()
    else if (accepting.pause()) timer ??= setTimeout(later, JUST_MS).unref()
  }
  const later = (): void => {
    timer = undefined
    look()
  }
  server.on('connection', (socket: Socket) => {
    if (connections.open > most) connections.endIdle(JUST_MS)
    look()
    socket.once('close', look)
  })
  server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
    // closing one that is kept would race with its next request
    if (most < KEEP_FROM || accepting.isPaused) response.shouldKeepAlive = false
  })
  return {
    [Symbol.dispose]: () => {
      isOver = true
      clearTimeout(timer)
      accepting.resume()
    },
  }
}

/** A server's connections, and which of them are without a request. */
class Connections {
  /** Since when; the longest first. */
  readonly #idle = new Map<Socket, number>()
  readonly #running = new Map<Socket, number>()
  #open = 0

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#open += 1
      this.#rests(socket)
      socket.once('close', () => {
        this.#open -= 1
        this.#idle.delete(socket)
        this.#running.delete(socket)
      })
    })
    server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.#idle.delete(socket)
      this.#running.set(socket, (this.#running.get(socket) ?? 0) + 1)
      response.once('close', () => {
        const left = (this.#running.get(socket) ?? 1) - 1
        if (left > 0) this.#running.set(socket, left)
        else this.#running.delete(socket)
        if (left === 0 && !socket.destroyed) this.#rests(socket)
      })
    })
  }

  get open(): number {
    return this.#open
  }

  /** Whether one has been without a request for this long. */
  hasIdle(ms: number): boolean {
    return this.#longestIdle(ms) !== undefined
  }

  /** Ends the one that has been without a request for longest, and for `ms` at least; false when there is none. */
  endIdle(ms = 0): boolean {
    const longest = this.#longestIdle(ms)
    if (longest === undefined) return false
    this.#idle.delete(longest)
    longest.destroy()
    return true
  }

  #longestIdle(ms: number): Socket | undefined {
    const [longest] = this.#idle
    return longest === undefined || systemClock.now() - longest[1] < ms ? undefined : longest[0]
  }

  #rests(socket: Socket): void {
    this.#idle.set(socket, systemClock.now())
  }
}
