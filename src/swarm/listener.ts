import type { Connection, Stream } from '@libp2p/interface'
import { raceAbort } from '../base/abort.ts'
import { ShoalError } from '../base/errors.ts'
import { placeOf } from './address-group.ts'
import { ControlChannel } from './control-channel.ts'
import type { Dialler } from './dialler.ts'
import type { PeerInfo } from './interface.ts'
import { aboutFrame, introduceAsListener, refusal } from './introduction.ts'
import type { Joining } from './joining.ts'
import {
  controlDeps,
  handshakeSignal,
  remoteHost,
  sayDoubt,
  tlsTerms,
  turnAway,
  widenAcrossRegions,
} from './joining.ts'
import { fromMultiaddr } from './multiaddr.ts'
import { StreamChannel } from './stream-channel.ts'
import { CONTROL_PROTOCOL } from './wire-limits.ts'

/** A host that has no room for more links takes this many connections a second all the same, to tell members why. */
const TOLD_PER_SECOND = 16
const SECOND_MS = 1_000
/** It says so in its log at most this often. */
const FULL_LOG_EVERY_MS = 60_000

/** An inbound connection that is no link yet: its two streams come in whichever order. */
interface Session {
  readonly control: PromiseWithResolvers<StreamChannel>
  readonly pieces: PromiseWithResolvers<StreamChannel>
}

/** Links that others make to this host. */
export class Listener {
  readonly #joining: Joining
  readonly #dialler: Dialler
  readonly #sessions = new Map<string, Session>()
  #fullSaidAt = Number.NEGATIVE_INFINITY
  #toldSince = Number.NEGATIVE_INFINITY
  #told = 0

  constructor(joining: Joining, dialler: Dialler) {
    this.#joining = joining
    this.#dialler = dialler
  }

  /** Whether there is room for another connection. Asked before a single byte of it is read. */
  admits(): boolean {
    const { table, limits, metrics, stopping } = this.#joining
    if (stopping.aborted) return false
    const hasRoom = table.links.size < limits.maxLinks || this.#mayBeTold()
    if (hasRoom) return true
    metrics.refused('full')
    return false
  }

  connected(connection: Connection): void {
    const session: Session = { control: Promise.withResolvers(), pieces: Promise.withResolvers() }
    this.#sessions.set(connection.id, session)
    // Cannot reject: every failure ends as a connection turned away.
    void this.#welcome(connection, session)
  }

  /** A stream of an inbound connection. Only the dialler opens streams, and only before the link is made. */
  opened(connection: Connection, protocol: string, stream: Stream): void {
    const session = this.#sessions.get(connection.id)
    if (session === undefined) {
      stream.abort(new Error('no stream is expected here'))
      return
    }
    const channel = new StreamChannel(stream)
    if (protocol === CONTROL_PROTOCOL) {
      session.control.resolve(channel)
      return
    }
    // nothing is asked of a peer that is not linked, so it has no piece to send: what it sends would only be held
    channel.expectNothing(() => connection.abort(new Error('pieces came before the introduction was over')))
    session.pieces.resolve(channel)
  }

  async #welcome(connection: Connection, session: Session): Promise<void> {
    const { bans, context } = this.#joining
    const key = connection.remotePeer.toString()
    let control: ControlChannel | undefined
    using limit = handshakeSignal(this.#joining, connection)
    const { signal } = limit
    const ticket = this.#joining.tls?.ticket()
    try {
      const talk = await raceAbort(session.control.promise, signal)
      control = new ControlChannel(talk, controlDeps(this.#joining))
      control.open()
      if (bans.get(key) === true) throw refusal('banned', 'the peer is banned')
      const introduced = await introduceAsListener(control, key, context, signal)
      const { peer, speech, offer, shown } = introduced
      const pieces = await raceAbort(session.pieces.promise, signal)
      if (context.self.key < key) await raceAbort(this.#dialler.settled(key), signal)
      this.#makeRoom(peer, remoteHost(connection))
      sayDoubt(this.#joining, peer, introduced.doubt)
      widenAcrossRegions(context, peer, [talk, pieces])
      const observed = remoteHost(connection)
      control.send(aboutFrame({ ...context, remote: key, offer: ticket?.offer, observed }))
      const tls = tlsTerms(this.#joining, ticket, offer)
      this.#settled(connection)
      this.#joining.link({ peer, speech, direction: 'inbound', connection, control, pieces, tls, shown })
    } catch (error) {
      ticket?.[Symbol.dispose]()
      await turnAway(this.#joining, connection, control, error)
    } finally {
      this.#sessions.delete(connection.id)
    }
  }

  /** It counts as an arrival no longer. */
  #settled({ remoteAddr }: Connection): void {
    const remote = fromMultiaddr(remoteAddr)
    if (remote !== undefined) this.#joining.arrivals.settled(placeOf(remote.host, remote.port))
  }

  /** Throws a refusal when the peer cannot have a link now; ends the one it has if that must be dead. */
  #makeRoom(peer: PeerInfo, remote: string | undefined): void {
    const { table, limits, clock, clones } = this.#joining
    const existing = table.links.get(peer.key)
    // A member dials when it has no link. If ours is older than any handshake under way, then the member has lost it;
    // a younger one may have been made while this connection was already being dialled.
    if (existing !== undefined) {
      if (clock.now() - existing.sinceMs < limits.handshakeTimeoutMs) {
        throw refusal('duplicate', 'there is a link already')
      }
      const resident = { addresses: existing.peer.addresses, remote: existing.remote, isQuiet: existing.isQuiet }
      const verdict = clones.judge(peer.key, resident, { addresses: peer.addresses, remote })
      if (verdict !== 'replace') throw duplicate(verdict === 'clone')
      existing.end(new ShoalError('PEER_GONE', 'the peer has made a new link'))
    }
    if (table.links.size < limits.maxLinks) return
    this.#sayFull()
    throw refusal('full', 'this host has as many links as it may')
  }

  #mayBeTold(): boolean {
    const now = this.#joining.clock.now()
    if (now - this.#toldSince >= SECOND_MS) {
      this.#toldSince = now
      this.#told = 0
    }
    return this.#told++ < TOLD_PER_SECOND
  }

  #sayFull(): void {
    const { clock, limits, logger } = this.#joining
    if (clock.now() - this.#fullSaidAt < FULL_LOG_EVERY_MS) return
    this.#fullSaidAt = clock.now()
    logger.warn(
      { links: limits.maxLinks },
      'this host has as many links as it may: others are refused, they need another cache',
    )
  }
}

function duplicate(clone: boolean): ShoalError {
  return new ShoalError('PEER_REFUSED', 'another host has this identity', { details: { reason: 'duplicate', clone } })
}
