import type { Connection } from '@libp2p/interface'
import type { Clock } from '../base/clock.ts'
import { isShoalError, ShoalError } from '../base/errors.ts'
import type { ExpiringMap } from '../base/expiring-map.ts'
import type { Logger } from '../base/log.ts'
import type { Arrivals } from './arrivals.ts'
import type { ByteBudget } from './byte-budget.ts'
import type { ByteChannel } from './byte-channel.ts'
import type { Clones } from './clones.ts'
import type { ControlChannel, ControlChannelDeps } from './control-channel.ts'
import type { PeerInfo } from './interface.ts'
import type { IntroductionContext } from './introduction.ts'
import { closeAfterGoodbye, closeConnection } from './libp2p-host.ts'
import type { Link } from './link.ts'
import type { ShownOnLink } from './link-credentials.ts'
import type { LinkTable } from './link-table.ts'
import type { SwarmMetrics } from './metrics.ts'
import { fromMultiaddr } from './multiaddr.ts'
import type { SwarmLimits } from './options.ts'
import { plainHost } from './peer-addresses.ts'
import type { RefusalLog } from './refusal-log.ts'
import type { Speech } from './speech.ts'
import type { StreamChannel } from './stream-channel.ts'
import type { TlsTerms } from './tls-channels.ts'
import type { TlsServer } from './tls-server.ts'
import type { TlsTicket } from './tls-ticket.ts'
import type { Vocabulary } from './vocabulary.ts'
import { BYE_REASONS } from './wire.ts'
import type { TlsOffer } from './wire-types.ts'

/** Everything a proven member's connection is made into a link of. */
export interface NewLink {
  readonly peer: PeerInfo
  readonly speech: Speech
  readonly direction: 'inbound' | 'outbound'
  readonly connection: Connection
  readonly control: ControlChannel
  readonly pieces: ByteChannel
  readonly tls: TlsTerms | undefined
  /** The address the peer has seen this host come from. */
  readonly observed?: string | undefined
  /** This host's addresses as the peer has been told them; undefined when it is told only now. */
  readonly told?: readonly string[] | undefined
  readonly shown: ShownOnLink
  /** The address this host dialled, not knowing whom it would find. */
  readonly dialled?: string | undefined
}

/** What dialling and listening share of the swarm. */
export interface Joining {
  readonly table: LinkTable
  /** Peers this host does not talk to for a while. */
  readonly bans: ExpiringMap<true>
  readonly clones: Clones
  readonly context: IntroductionContext
  readonly vocabulary: Vocabulary
  readonly limits: SwarmLimits
  readonly arrivals: Arrivals
  readonly budget: ByteBudget
  readonly clock: Clock
  readonly logger: Logger
  readonly refusals: RefusalLog
  readonly metrics: SwarmMetrics
  /** Undefined when this host wants no TLS. */
  readonly tls: TlsServer | undefined
  /** Aborts when the swarm is being disposed. */
  readonly stopping: AbortSignal
  /** Makes and announces the link. The peer must have none. */
  link(parts: NewLink): Link
}

export function controlDeps({ vocabulary, budget, metrics }: Joining): ControlChannelDeps {
  return { vocabulary, budget, counted: metrics.frame }
}

/** The IP address at the other end. */
export function remoteHost(connection: Connection): string | undefined {
  const host = fromMultiaddr(connection.remoteAddr)?.host
  return host === undefined ? undefined : plainHost(host)
}

/** A signal for one handshake: the swarm's end, the connection's, the caller's, or too much time. */
export function handshakeSignal(
  joining: Joining,
  connection: Connection,
  caller?: AbortSignal,
): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController()
  const timer = joining.clock.after(joining.limits.handshakeTimeoutMs, () =>
    controller.abort(
      new ShoalError('PEER_REFUSED', 'the peer did not introduce itself in time', { details: { reason: 'timeout' } }),
    ),
  )
  const onClose = (): void =>
    controller.abort(new ShoalError('PEER_GONE', 'the connection ended before there was a link'))
  connection.addEventListener('close', onClose)
  const signals = [controller.signal, joining.stopping, ...(caller === undefined ? [] : [caller])]
  return {
    signal: AbortSignal.any(signals),
    [Symbol.dispose]() {
      timer[Symbol.dispose]()
      connection.removeEventListener('close', onClose)
    },
  }
}

/** What is settled about TLS when both sides have made an offer; otherwise nothing, and the ticket is void. */
export function tlsTerms(
  joining: Joining,
  ticket: TlsTicket | undefined,
  theirs: TlsOffer | undefined,
): TlsTerms | undefined {
  if (joining.tls !== undefined && ticket !== undefined && theirs !== undefined) {
    return { server: joining.tls, ticket, theirs }
  }
  ticket?.[Symbol.dispose]()
  return undefined
}

/** Ends a connection that became no link: says why if there is a reason to tell, counts, logs, closes. Cannot reject. */
export async function turnAway(
  joining: Joining,
  connection: Connection,
  control: ControlChannel | undefined,
  error: unknown,
): Promise<void> {
  if (isShoalError(error) && error.details.remote === true && error.details.clone === true) {
    joining.clones.told(connection.remoteAddr.toString())
  }
  if (isShoalError(error, 'PEER_REFUSED') && error.details.remote !== true) {
    const reason = String(error.details.reason)
    joining.metrics.refused(reason)
    const fields = fieldsOf(connection, reason)
    if (reason === 'duplicate' || reason === 'closing') joining.logger.debug(fields, 'a second link was turned away')
    else if (reason === 'full') joining.logger.debug(fields, 'a link too many was turned away')
    else joining.refusals.refused(fields, error)
    const bye = BYE_REASONS.find((known) => known === reason)
    if (bye !== undefined && control !== undefined) {
      control.send({ frame: 'bye', reason: bye, clone: error.details.clone === true ? true : undefined })
      control.close()
      await closeAfterGoodbye(connection)
      return
    }
  } else if (isShoalError(error, 'PEER_PROTOCOL')) {
    joining.metrics.refused('protocol')
    joining.refusals.refused(fieldsOf(connection, 'protocol'), error)
    control?.close()
    connection.abort(error)
    return
  } else {
    joining.logger.debug(
      { peer: connection.remotePeer.toString(), err: error },
      'a connection ended before it became a link',
    )
  }
  control?.close()
  await closeConnection(connection)
}

function fieldsOf(connection: Connection, reason: string) {
  const { remotePeer, remoteAddr, direction } = connection
  return {
    peer: remotePeer.toString(),
    address: remoteAddr.toString(),
    host: remoteHost(connection),
    direction,
    reason,
  }
}

/** Says once a link that a peer takes itself for a cache and this host does not: the host's clock may be wrong, or its key. */
export function sayDoubt({ logger, metrics }: Joining, { key, region }: PeerInfo, doubt: string | undefined): void {
  if (doubt === undefined) return
  metrics.refused('credential')
  logger.warn({ peer: key, region, problem: doubt }, 'a peer says it is a cache, and counts as a member only')
}

/** Members of one region are near each other; others may be an ocean apart. */
export function widenAcrossRegions(
  context: IntroductionContext,
  peer: PeerInfo,
  channels: readonly StreamChannel[],
): void {
  if (peer.region === context.self.region) return
  for (const channel of channels) channel.widen()
}
