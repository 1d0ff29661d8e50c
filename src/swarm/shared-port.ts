import type { Socket } from 'node:net'
import { Server } from 'node:net'
import { tcp } from '@libp2p/tcp'
import type { Clock } from '../base/clock.ts'
import type { SwarmLimits } from './options.ts'

type Transports = ReturnType<typeof tcp>

/** A TLS connection begins with a handshake record (RFC 8446 section 5.1), libp2p with the length of its greeting, 0x13. */
const TLS_HANDSHAKE = 0x16

interface SharedPortOptions {
  readonly clock: Clock
  readonly limits: SwarmLimits
  /** Takes a connection that begins like TLS, its bytes unread. */
  readonly tls: (socket: Socket) => void
  /** A connection was closed because too many have not said anything yet. */
  readonly full: () => void
}

/**
 * One port for libp2p and TLS, told apart by the first byte: one hole in the firewall, one address to announce, and
 * wherever a peer was reached over noise it can be reached over TLS.
 */
export class SharedPort implements Disposable {
  readonly #options: SharedPortOptions
  readonly #silent = new Set<Socket>()

  constructor(options: SharedPortOptions) {
    this.#options = options
  }

  /** The library's TCP transport, whose listeners let go of what is not libp2p. */
  transport(init: Parameters<typeof tcp>[0]): Transports {
    const make = tcp(init)
    return (components) => {
      const transport = make(components)
      const createListener = transport.createListener.bind(transport)
      transport.createListener = (options) => {
        const listener = createListener(options)
        // A field of the library's listener that its interface does not declare.
        if (!('server' in listener && listener.server instanceof Server)) {
          throw new Error('the TCP transport is not the one this was written for')
        }
        this.#divide(listener.server)
        return listener
      }
      return transport
    }
  }

  [Symbol.dispose](): void {
    for (const socket of this.#silent) socket.destroy()
  }

  #divide(server: Server): void {
    const takers = server.listeners('connection') as ((...args: unknown[]) => unknown)[]
    server.removeAllListeners('connection')
    server.on('connection', (socket) => {
      this.#firstByte(socket, (byte) => {
        if (byte === TLS_HANDSHAKE) this.#options.tls(socket)
        else hand(takers, server, socket)
      })
    })
  }

  #firstByte(socket: Socket, tell: (byte: number) => void): void {
    const { clock, limits, full } = this.#options
    // Whoever gets the socket adds its own; until then, and in between, an error must have somebody to go to.
    socket.on('error', () => {})
    if (this.#silent.size >= limits.maxHandshakes) {
      socket.destroy()
      full()
      return
    }
    const timer = clock.after(limits.handshakeTimeoutMs, () => socket.destroy())
    this.#silent.add(socket)
    const heard = (): void => {
      timer[Symbol.dispose]()
      this.#silent.delete(socket)
    }
    socket.once('close', heard)
    socket.once('readable', () => {
      socket.off('close', heard)
      heard()
      const first: unknown = socket.read()
      if (!(first instanceof Uint8Array) || first.length === 0) {
        socket.destroy()
        return
      }
      socket.unshift(first)
      tell(first[0]!)
    })
  }
}

/** The listener throws when it was closed while the first byte was waited for. */
function hand(takers: readonly ((...args: unknown[]) => unknown)[], server: Server, socket: Socket): void {
  try {
    for (const take of takers) take.call(server, socket)
  } catch {
    socket.destroy()
  }
}
