import type { MetricRegistry } from '../base/metrics.ts'
import type { PeerLink } from './interface.ts'
import type { Dropped } from './link.ts'
import type { ReceivedFrame } from './wire.ts'

/** Why a connection, peer or request was turned away. A closed set: anything else counts as `other`. */
const REFUSALS = [
  'stranger',
  'version',
  'role',
  'credential',
  'banned',
  'full',
  'duplicate',
  'protocol',
  'timeout',
  'calls',
  'unread',
  'other',
] as const

const DIRECTIONS = ['received', 'sent'] as const

type FrameDirection = (typeof DIRECTIONS)[number]

const FRAME_KINDS = ['prewarm', 'content', 'call', 'answer', 'upkeep', 'unknown'] as const
const DROPPED_KINDS = ['frame', 'message', 'call'] as const satisfies readonly Dropped['kind'][]

type FrameKind = (typeof FRAME_KINDS)[number]

/** What a frame is about: prewarm is jobs; content is what swarms say of their blobs; upkeep is the link's own. */
const KINDS = {
  call: 'call',
  abandon: 'call',
  answer: 'answer',
  hello: 'upkeep',
  about: 'upkeep',
  bye: 'upkeep',
  ping: 'upkeep',
  moved: 'upkeep',
  unknown: 'unknown',
} as const satisfies Record<Exclude<ReceivedFrame['frame'], 'message'>, FrameKind>

interface SwarmCounts {
  readonly links: Iterable<PeerLink>
  readonly handshakes: number
  readonly banned: number
  readonly clones: number
  readonly unreadBytes: number
}

export interface SwarmMetrics {
  refused(reason: string): void
  /** A frame on a control channel, as long as it is on the wire before encryption. */
  frame(direction: FrameDirection, frame: ReceivedFrame, bytes: number): void
  /** Something that only one side of a link understands. */
  dropped(dropped: Dropped): void
  /** How the pieces that a link receives come; `refused`: a TLS connection that was not the peer's. */
  pieceChannel(kind: 'tls' | 'stream', result: 'ok' | 'failed' | 'refused' | 'fallback'): void
}

export function swarmMetrics(registry: MetricRegistry, counts: () => SwarmCounts): SwarmMetrics {
  registry.gauge('shoal_peers', 'Peers by role and state of their link', ['role', 'state'], (gauge) => {
    const { links, handshakes, banned, clones } = counts()
    const linked = { agent: 0, cache: 0 }
    for (const link of links) linked[link.peer.role]++
    gauge.set({ role: 'agent', state: 'linked' }, linked.agent)
    gauge.set({ role: 'cache', state: 'linked' }, linked.cache)
    gauge.set({ role: 'unknown', state: 'handshake' }, handshakes)
    gauge.set({ role: 'unknown', state: 'banned' }, banned)
    gauge.set({ role: 'unknown', state: 'clone' }, clones)
  })
  registry.gauge('shoal_control_unread_bytes', 'Bytes held for peers that send or read too slowly', [], (gauge) => {
    gauge.set({}, counts().unreadBytes)
  })
  const refusals = registry.counter(
    'shoal_requests_refused_total',
    'Connections, peers and requests turned away, by reason',
    { reason: REFUSALS },
  )
  const channels = registry.counter(
    'shoal_piece_channels_total',
    'Ways to receive pieces by kind and what became of them: tls ok, failed or refused; stream by agreement (ok) or as fallback',
    { kind: ['tls', 'stream'], result: ['ok', 'failed', 'refused', 'fallback'] },
  )
  const frames = registry.counter(
    'shoal_control_frames_total',
    'Frames on control channels by direction and what they are about: prewarm, content, call, answer, upkeep, unknown',
    { direction: DIRECTIONS, kind: FRAME_KINDS },
  )
  const frameBytes = registry.counter(
    'shoal_control_bytes_total',
    'Bytes of frames on control channels, before encryption, by direction and kind',
    { direction: DIRECTIONS, kind: FRAME_KINDS },
  )
  const dropped = registry.counter(
    'shoal_control_dropped_total',
    'What only one side of a link understands, being of another version, by direction (received: not by this host) and kind',
    { direction: DIRECTIONS, kind: DROPPED_KINDS },
  )
  return {
    dropped: ({ direction, kind }) => dropped.inc({ direction, kind }),
    frame(direction, frame, bytes) {
      const labels = { direction, kind: kindOf(frame) }
      frames.inc(labels)
      frameBytes.inc(labels, bytes)
    },
    pieceChannel: (kind, result) => channels.inc({ kind, result }),
    refused(reason) {
      refusals.inc({ reason: REFUSALS.find((known) => known === reason) ?? 'other' })
    },
  }
}

function kindOf(frame: ReceivedFrame): FrameKind {
  if (frame.frame !== 'message') return KINDS[frame.frame]
  return frame.message.kind
}
