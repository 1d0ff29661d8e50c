import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { raceAbort } from '../base/abort.ts'
import { isShoalError, ShoalError } from '../base/errors.ts'
import { ControlChannel } from './control-channel.ts'
import type { PeerKey } from './interface.ts'
import { introduceAsDialler, refusal } from './introduction.ts'
import type { Joining } from './joining.ts'
import { controlDeps, handshakeSignal, sayDoubt, tlsTerms, turnAway, widenAcrossRegions } from './joining.ts'
import type { Libp2pHost } from './libp2p-host.ts'
import { closeConnection } from './libp2p-host.ts'
import type { Link } from './link.ts'
import { StreamChannel } from './stream-channel.ts'
import { CONTROL_PROTOCOL, PIECES_PROTOCOL } from './wire-limits.ts'

/**
 * Links this host makes. Two hosts may dial each other at once; then the connection that the smaller peer id dialled
 * becomes the link: its owner holds the other one back (Listener) until its own has succeeded or failed.
 */
export class Dialler {
  readonly #joining: Joining
  readonly #host: Libp2pHost
  /** Own connections whose peer is known and which are not links yet. */
  readonly #introducing = new Map<PeerKey, { readonly connection: Connection; readonly done: Promise<Link> }>()

  constructor(joining: Joining, host: Libp2pHost) {
    this.#joining = joining
    this.#host = host
  }

  /** Resolves when the introduction this host has under way with `key`, if any, is over. */
  async settled(key: PeerKey): Promise<void> {
    await this.#introducing.get(key)?.done.catch(() => {})
  }

  /** A link to this peer, made by us or, meanwhile, by it. */
  async dialPeer(key: PeerKey, addresses: Multiaddr[], signal: AbortSignal): Promise<Link> {
    using waiter = this.#joining.table.wait(key)
    const controller = new AbortController()
    const attempt = this.#reach(addresses, AbortSignal.any([signal, controller.signal]))
    try {
      return await Promise.race([waiter.link, attempt])
    } catch (error) {
      if (!isDuplicate(error)) throw error
      return await this.#awaitTheirs(waiter.link, signal)
    } finally {
      controller.abort(new ShoalError('PEER_GONE', 'the peer has linked from its side'))
      this.#host.forget(key)
    }
  }

  /** A link to whoever is at this address. */
  async dialAddress(address: Multiaddr, dialled: string, signal: AbortSignal): Promise<Link> {
    return await this.#reach([address], signal, dialled)
  }

  async #reach(addresses: Multiaddr[], signal: AbortSignal, dialled?: string): Promise<Link> {
    const connection = await this.#connect(addresses, signal)
    const key = connection.remotePeer.toString()
    const existing = this.#joining.table.links.get(key)
    if (existing !== undefined) {
      void closeConnection(connection)
      return existing
    }
    try {
      return await this.#introduceOnce(connection, key, signal, dialled)
    } catch (error) {
      if (!isDuplicate(error)) throw error
      using waiter = this.#joining.table.wait(key)
      return this.#joining.table.links.get(key) ?? (await this.#awaitTheirs(waiter.link, signal))
    }
  }

  /** One introduction per peer: a second connection to it gives way to the first. */
  async #introduceOnce(
    connection: Connection,
    key: PeerKey,
    signal: AbortSignal,
    dialled: string | undefined,
  ): Promise<Link> {
    const other = this.#introducing.get(key)
    if (other !== undefined) {
      if (other.connection !== connection) void closeConnection(connection)
      return await raceAbort(other.done, signal)
    }
    const done = this.#introduce(connection, key, signal, dialled)
    this.#introducing.set(key, { connection, done })
    try {
      return await done
    } finally {
      this.#introducing.delete(key)
    }
  }

  async #connect(addresses: Multiaddr[], signal: AbortSignal): Promise<Connection> {
    const { clock, limits } = this.#joining
    const controller = new AbortController()
    using _timer = clock.after(limits.dialTimeoutMs, () =>
      controller.abort(new ShoalError('PEER_GONE', `no connection within ${limits.dialTimeoutMs} ms`)),
    )
    return await this.#host.dial(addresses, AbortSignal.any([signal, controller.signal]))
  }

  async #introduce(connection: Connection, key: PeerKey, caller: AbortSignal, dialled?: string): Promise<Link> {
    const { table, bans, context } = this.#joining
    using limit = handshakeSignal(this.#joining, connection, caller)
    const { signal } = limit
    let control: ControlChannel | undefined
    const ticket = this.#joining.tls?.ticket()
    try {
      if (bans.get(key) === true) throw refusal('banned', 'the peer is banned')
      const opening = [CONTROL_PROTOCOL, PIECES_PROTOCOL].map((name) => openStream(connection, name, signal))
      const [controlStream, piecesStream] = opening
      piecesStream!.catch(() => {})
      const talk = await controlStream!
      control = new ControlChannel(talk, controlDeps(this.#joining))
      control.open()
      const introducing = { ...context, offer: ticket?.offer }
      const introduced = await introduceAsDialler(control, key, introducing, signal, piecesStream!)
      const { peer, speech, offer, shown, observed, told } = introduced
      const pieces = await piecesStream!
      if (table.links.has(key)) throw refusal('duplicate', 'the peer has linked from its side')
      sayDoubt(this.#joining, peer, introduced.doubt)
      widenAcrossRegions(context, peer, [talk, pieces])
      const tls = tlsTerms(this.#joining, ticket, offer)
      return this.#joining.link({
        peer,
        speech,
        direction: 'outbound',
        connection,
        control,
        pieces,
        tls,
        shown,
        dialled,
        observed,
        told,
      })
    } catch (error) {
      ticket?.[Symbol.dispose]()
      // The caller need not wait for the goodbye to be read.
      void turnAway(this.#joining, connection, control, error)
      throw error
    }
  }

  async #awaitTheirs(link: Promise<Link>, signal: AbortSignal): Promise<Link> {
    const { clock, limits } = this.#joining
    const controller = new AbortController()
    using _timer = clock.after(limits.handshakeTimeoutMs, () =>
      controller.abort(new ShoalError('PEER_GONE', 'the peer preferred its own connection, and it did not come')),
    )
    return await raceAbort(link, AbortSignal.any([signal, controller.signal]))
  }
}

async function openStream(connection: Connection, protocol: string, signal: AbortSignal): Promise<StreamChannel> {
  try {
    return new StreamChannel(await connection.newStream(protocol, { signal }))
  } catch (cause) {
    signal.throwIfAborted()
    if (cause instanceof Error && cause.name === 'UnsupportedProtocolError') {
      throw refusal('version', 'the peer does not speak this protocol')
    }
    throw new ShoalError('PEER_GONE', 'the connection ended before there was a link', { cause })
  }
}

/** Whether this side or the other found that there is, or is about to be, another link. */
function isDuplicate(error: unknown): boolean {
  return isShoalError(error) && error.details.reason === 'duplicate'
}
