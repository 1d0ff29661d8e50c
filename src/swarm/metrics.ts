import type { Counter, MetricRegistry } from '../base/metrics.ts'
import type { PeerLink } from './interface.ts'

/** Why a connection, peer or call was turned away. A closed set: anything else counts as `other`. */
const REFUSALS = [
  'stranger',
  'version',
  'role',
  'banned',
  'full',
  'duplicate',
  'protocol',
  'timeout',
  'calls',
  'other',
] as const

export interface SwarmCounts {
  readonly links: Iterable<PeerLink>
  readonly handshakes: number
  readonly banned: number
}

export interface SwarmMetrics {
  refused(reason: string): void
  /** How the pieces that a link receives come; `refused`: a TLS connection that was not the peer's. */
  pieceChannel(kind: 'tls' | 'stream', result: 'ok' | 'failed' | 'refused' | 'fallback'): void
}

export function swarmMetrics(registry: MetricRegistry, counts: () => SwarmCounts): SwarmMetrics {
  registry.gauge('shoal_peers', 'Peers by role and state of their link', ['role', 'state'], (gauge) => {
    const { links, handshakes, banned } = counts()
    const linked = { agent: 0, cache: 0 }
    for (const link of links) linked[link.peer.role]++
    gauge.set({ role: 'agent', state: 'linked' }, linked.agent)
    gauge.set({ role: 'cache', state: 'linked' }, linked.cache)
    gauge.set({ role: 'unknown', state: 'handshake' }, handshakes)
    gauge.set({ role: 'unknown', state: 'banned' }, banned)
  })
  const refusals: Counter<'reason'> = registry.counter(
    'shoal_requests_refused_total',
    'Connections, peers and requests turned away, by reason',
    ['reason'],
  )
  const channels: Counter<'kind' | 'result'> = registry.counter(
    'shoal_piece_channels_total',
    'Ways to receive pieces by kind and what became of them: tls ok, failed or refused; stream by agreement (ok) or as fallback',
    ['kind', 'result'],
  )
  return {
    pieceChannel: (kind, result) => channels.inc({ kind, result }),
    refused(reason) {
      refusals.inc({ reason: REFUSALS.find((known) => known === reason) ?? 'other' })
    },
  }
}
