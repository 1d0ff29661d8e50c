import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { noise } from '@chainsafe/libp2p-noise'
import type { Connection, PeerId, PrivateKey, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { yamux } from '@libp2p/yamux'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { createLibp2p } from 'libp2p'
import type { Address } from '../base/address.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import type { PeerKey } from './interface.ts'
import { toMultiaddr } from './multiaddr.ts'
import type { SwarmLimits } from './options.ts'
import type { SharedPort } from './shared-port.ts'
import { CONTROL_PROTOCOL, PIECES_PROTOCOL } from './wire-limits.ts'

const KIB = 1024
/** One unreachable address must not use up the time for a peer's others: it has this part of it. */
const ADDRESS_DIAL_SHARE = 0.4
/** Enough for the bye to leave. */
const CLOSE_GRACE_MS = 500
const UNLIMITED = 1_000_000
const TCP = { backlog: 1024 }
const MAX_ABORTED_JOINS = 10

/** What the host asks and tells. */
interface HostEvents {
  /** Whether another inbound connection may be looked at. */
  admits(): boolean
  /** A connection, its peer id proven, before any stream of it. */
  inbound(connection: Connection): void
  /** The remote side has opened one of our two streams. */
  stream(connection: Connection, protocol: string, stream: Stream): void
}

interface HostOptions {
  readonly privateKey: PrivateKey
  readonly listen: Address
  readonly limits: SwarmLimits
  /** What stands before libp2p: every connection comes through it. */
  readonly port: SharedPort
}

/** libp2p with TCP, noise and yamux, and everything that acts on its own switched off: connections are dialled and kept by us. */
export class Libp2pHost {
  readonly key: PeerKey
  readonly #libp2p: Libp2p

  private constructor(libp2p: Libp2p) {
    this.#libp2p = libp2p
    this.key = libp2p.peerId.toString()
  }

  /** Listens. Throws `CONFIG_INVALID` when the address cannot be bound. */
  static async start(options: HostOptions, events: HostEvents): Promise<Libp2pHost> {
    const libp2p = await createLibp2p({ ...libp2pOptions(options, events), start: false })
    keepConnectionList(libp2p)
    const host = new Libp2pHost(libp2p)
    libp2p.addEventListener('connection:open', (event) => {
      if (event.detail.direction === 'inbound') events.inbound(event.detail)
    })
    // The peer store remembers for ever; nothing here asks it.
    libp2p.addEventListener('peer:disconnect', (event) => host.forget(event.detail.toString()))
    for (const protocol of [CONTROL_PROTOCOL, PIECES_PROTOCOL]) {
      await libp2p.handle(protocol, (stream, connection) => events.stream(connection, protocol, stream), {
        maxInboundStreams: 1,
        maxOutboundStreams: 1,
      })
    }
    try {
      await libp2p.start()
    } catch (cause) {
      await libp2p.stop()
      throw new ShoalError(
        'CONFIG_INVALID',
        `peer.listen: cannot listen on ${options.listen.host} port ${options.listen.port}: ${errorText(cause)}`,
        { cause },
      )
    }
    return host
  }

  /** The port the system gave. */
  get port(): number {
    const components = this.#libp2p.getMultiaddrs()[0]?.getComponents() ?? []
    return Number(components.find((component) => component.name === 'tcp')?.value ?? 0)
  }

  /**
   * Connects to whoever is at one of the addresses. Rejects `PEER_GONE`, `PEER_REFUSED` when it is this host, or with
   * the signal's reason.
   */
  async dial(addresses: Multiaddr[], signal: AbortSignal): Promise<Connection> {
    try {
      return await this.#dialAfresh(addresses, signal)
    } catch (cause) {
      signal.throwIfAborted()
      const causes = cause instanceof AggregateError ? cause.errors : [cause]
      if (causes.some((error) => error instanceof Error && error.name === 'InvalidPeerIdError')) {
        throw new ShoalError('PEER_REFUSED', 'that address is this host itself', {
          details: { reason: 'self' },
          cause,
        })
      }
      throw new ShoalError('PEER_GONE', 'the peer cannot be reached', { cause })
    }
  }

  /** Whether the peer is there: connects, which proves its id, and hangs up. Rejects with the signal's reason. */
  async isAt(address: Multiaddr, signal: AbortSignal): Promise<boolean> {
    try {
      void closeConnection(await this.#dialAfresh([address], signal))
      return true
    } catch {
      signal.throwIfAborted()
      return false
    }
  }

  /** Drops what the library has noted about a peer. */
  forget(key: PeerKey): void {
    this.#libp2p.peerStore.delete(peerIdFromString(key)).catch(() => {})
  }

  /** The library joins dials to one address, also to one that its last caller has just aborted; that one is not ours. */
  async #dialAfresh(addresses: Multiaddr[], signal: AbortSignal): Promise<Connection> {
    for (let attempt = 0; ; attempt++) {
      try {
        // `force`: an inbound connection from the same peer is no answer, its handshake may still fail.
        return await this.#libp2p.dial(addresses, { signal, force: true })
      } catch (error) {
        const aborted = error instanceof Error && error.name === 'AbortError'
        if (!aborted || signal.aborted || attempt === MAX_ABORTED_JOINS) throw error
        await setImmediate()
      }
    }
  }

  async stop(): Promise<void> {
    await this.#libp2p.stop()
  }
}

/** What stands behind the library's face and its types do not show. */
interface Inside {
  readonly components: {
    readonly connectionManager: {
      getConnections(peer?: PeerId): Connection[]
      getConnectionsMap(): { get(peer: PeerId): Connection[] | undefined }
    }
  }
}

/**
 * For every connection that comes the library asks for the list of all there are, twice, to count it, and makes it by
 * copying what it has so far for each entry: with ten thousand links a tenth of a second for each new one. This keeps one.
 */
function keepConnectionList(libp2p: Libp2p): void {
  // should a later version not have it, no swarm starts, and every test says so
  const { connectionManager } = (libp2p as unknown as Inside).components
  const byPeer = connectionManager.getConnectionsMap()
  const list: Connection[] = []
  const places = new Map<string, number>()
  libp2p.addEventListener('connection:open', ({ detail: opened }) => {
    if (opened.status === 'open' && !places.has(opened.id)) places.set(opened.id, list.push(opened) - 1)
  })
  libp2p.addEventListener('connection:close', ({ detail: { id } }) => {
    const place = places.get(id)
    const last = place === undefined ? undefined : list.pop()
    places.delete(id)
    if (place === undefined || last === undefined || last.id === id) return
    list[place] = last
    places.set(last.id, place)
  })
  connectionManager.getConnections = (peer) => (peer === undefined ? list.slice() : (byPeer.get(peer) ?? []))
}

/** Where to dial a peer that is known. Throws `PEER_GONE` for what is no peer id. */
export function peerMultiaddr(address: Address, key: PeerKey): Multiaddr {
  try {
    return toMultiaddr(address).encapsulate(`/p2p/${peerIdFromString(key)}`)
  } catch (cause) {
    throw new ShoalError('PEER_GONE', 'that is no peer id', { cause })
  }
}

/**
 * Waits for the other side to close, as it does when it has read a goodbye: closing a socket with unread bytes in it
 * would make the kernel throw away what was sent last. At the latest after a short grace, closes.
 */
export async function closeAfterGoodbye(connection: Connection): Promise<void> {
  const signal = AbortSignal.timeout(CLOSE_GRACE_MS)
  try {
    if (connection.status === 'open') await once(connection, 'close', { signal })
  } catch {
    connection.abort(new Error('the refused peer did not leave'))
  }
}

/** Lets what was written leave, then closes; at the latest after a short grace. */
export async function closeConnection(connection: Connection): Promise<void> {
  try {
    await connection.close({ signal: AbortSignal.timeout(CLOSE_GRACE_MS) })
  } catch {
    connection.abort(new Error('the connection did not close in time'))
  }
}

/** Every interface means both families: the library's listener for `::` takes no IPv4. A port of its own choice cannot be shared. */
function listenPlaces(listen: Address): Address[] {
  const isBoth = listen.host === '::' && listen.port !== 0
  return isBoth ? [listen, { host: '0.0.0.0', port: listen.port }] : [listen]
}

function libp2pOptions(options: HostOptions, events: HostEvents): Parameters<typeof createLibp2p>[0] {
  const { limits } = options
  return {
    privateKey: options.privateKey,
    addresses: { listen: listenPlaces(options.listen).map((place) => toMultiaddr(place).toString()) },
    // A burst comes from hundreds of hosts at once, in tests from one: membership is our filter, not the rate.
    connectionManager: {
      maxConnections: limits.maxLinks * 4 + limits.maxHandshakes * 2,
      // whom libp2p sees at all is settled before it: arrivals.ts
      maxIncomingPendingConnections: UNLIMITED,
      inboundConnectionThreshold: UNLIMITED,
      maxParallelDials: 64,
      maxDialQueueLength: limits.maxLinks * 4,
      dialTimeout: limits.dialTimeoutMs,
      addressDialTimeout: limits.dialTimeoutMs * ADDRESS_DIAL_SHARE,
      inboundUpgradeTimeout: limits.handshakeTimeoutMs,
      inboundStreamProtocolNegotiationTimeout: limits.handshakeTimeoutMs,
      outboundStreamProtocolNegotiationTimeout: limits.handshakeTimeoutMs,
      connectionCloseTimeout: CLOSE_GRACE_MS,
      reconnectRetries: 0,
      resolvers: {},
    },
    connectionMonitor: { enabled: false },
    connectionGater: {
      denyInboundConnection: () => !events.admits(),
      filterMultiaddrForPeer: () => false,
    },
    transports: [options.port.transport(TCP)],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: 2,
        maxOutboundStreams: 2,
        maxEarlyStreams: 2,
        // libp2p ends a connection that is idle for two minutes, and a link may have moved all it says to TLS.
        enableKeepAlive: true,
        keepAliveInterval: 30_000,
        // The smallest window the library knows. Whatever fits into a window is in flight ahead of control messages:
        // with 256 KiB a round trip among full piece streams took 1 ms here, with 4 MiB 20 ms, and throughput was no
        // better. Links across regions get more (StreamChannel.widen); what may lie unread is always above the window.
        streamOptions: {
          initialStreamWindowSize: 256 * KIB,
          maxStreamWindowSize: 256 * KIB,
          maxReadBufferLength: 512 * KIB,
        },
      }),
    ],
  }
}
