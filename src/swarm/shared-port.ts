import type { Socket } from 'node:net'
import { Server } from 'node:net'
import { tcp } from '@libp2p/tcp'
import type { Arrivals } from './arrivals.ts'

type Transports = ReturnType<typeof tcp>

/** A TLS connection begins with a handshake record (RFC 8446 section 5.1), libp2p with the length of its greeting, 0x13. */
const TLS_HANDSHAKE = 0x16

interface SharedPortOptions {
  readonly arrivals: Arrivals
  /** Takes a connection that begins like TLS, its bytes unread. Undefined when this host wants no TLS. */
  readonly tls: ((socket: Socket) => void) | undefined
}

/**
 * One port for libp2p and TLS, told apart by the first byte: one hole in the firewall, one address to announce, and
 * wherever a peer was reached over noise it can be reached over TLS. Neither sees a connection before its turn has come.
 */
export class SharedPort {
  readonly #options: SharedPortOptions

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

  #divide(server: Server): void {
    const { arrivals, tls } = this.#options
    const takers = server.listeners('connection') as ((...args: unknown[]) => unknown)[]
    server.removeAllListeners('connection')
    server.on('connection', (socket) => {
      arrivals.take(socket, (firstByte) => {
        if (firstByte !== TLS_HANDSHAKE) hand(takers, server, socket)
        else if (tls !== undefined) tls(socket)
        else socket.destroy()
      })
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
