import type { Counter, Histogram, MetricRegistry } from '../base/metrics.ts'
import type { Digest } from '../oci/digest.ts'
import type { PeerInfo, PeerLink } from '../swarm/index.ts'
import type { ReceivedFrom, Transfer } from './transfer.ts'

export type ReceivedListener = (digest: Digest, from: ReceivedFrom, bytes: number) => void

const MIB = 1024 * 1024

const SIZES = ['under_1MiB', '1MiB_to_16MiB', '16MiB_to_256MiB', 'over_256MiB'] as const
const SOURCES = ['peer', 'home', 'parent', 'origin'] as const satisfies readonly ReceivedFrom[]
const RECEIVERS = ['peer', 'region', 'child'] as const
const RECEIVED_HELP =
  'Content bytes received, by where they came from: peer (another host), home (any cache of this region), parent (another region), origin.'
const SENT_HELP =
  'Content bytes sent, by whom to: runtime, peer (a host, from a host), region (from a cache, to hosts and caches of its region, which count them as from home), child (to another region).'
const REJECTIONS = ['wrong_bytes', 'no_hash', 'duplicate', 'failed_digest'] as const

/** Who was sent to; the other side counts the same bytes as from `peer`, `home` and `parent`. */
type SentTo = (typeof RECEIVERS)[number]
type SizeClass = (typeof SIZES)[number]
/** This host, or another. */
type Self = Pick<PeerInfo, 'region' | 'role'>

type Rejection = (typeof REJECTIONS)[number]

function sizeClass(bytes: number): SizeClass {
  if (bytes < MIB) return 'under_1MiB'
  if (bytes < 16 * MIB) return '1MiB_to_16MiB'
  return bytes < 256 * MIB ? '16MiB_to_256MiB' : 'over_256MiB'
}

/** What moves through this host's transfers, for Prometheus and for the status server. */
export class TransferMetrics {
  readonly totals: {
    readonly received: Record<ReceivedFrom, number>
    readonly sent: Record<SentTo, number>
  } = {
    received: { peer: 0, home: 0, parent: 0, origin: 0 },
    sent: { peer: 0, region: 0, child: 0 },
  }
  /** Told of every byte that comes; must not throw. */
  readonly listeners = new Set<ReceivedListener>()
  readonly #received: Counter<{ from: ReceivedFrom }>
  readonly #sent: Counter<{ to: SentTo }>
  readonly #rejected: Counter<{ reason: Rejection }>
  readonly #seconds: Histogram<{ size: SizeClass }>
  readonly #rate: Histogram<{ size: SizeClass }>
  readonly #self: Self
  readonly #traffic = new WeakMap<PeerLink, { sent: number; received: number }>()

  constructor(registry: MetricRegistry, self: Self, active: () => number) {
    this.#self = self
    this.#received = registry.counter('shoal_received_bytes_total', RECEIVED_HELP, { from: SOURCES })
    this.#sent = registry.counter('shoal_sent_bytes_total', SENT_HELP, { to: RECEIVERS })
    this.#rejected = registry.counter('shoal_pieces_rejected_total', 'Pieces received and not kept, by reason', {
      reason: REJECTIONS,
    })
    this.#seconds = registry.histogram(
      'shoal_transfer_seconds',
      'Time from the first ask to the proven blob',
      { size: SIZES },
      [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600],
    )
    this.#rate = registry.histogram(
      'shoal_transfer_bytes_per_second',
      'Mean rate of a finished transfer',
      { size: SIZES },
      [MIB, 4 * MIB, 16 * MIB, 64 * MIB, 128 * MIB, 256 * MIB, 512 * MIB, 1024 * MIB],
    )
    registry.gauge('shoal_transfers_active', 'Blobs being fetched', [], (gauge) => gauge.set({}, active()))
  }

  /** Of a transfer, or of a small blob that needed none. */
  received(of: Transfer | Digest, giver: PeerLink | 'origin', bytes: number): void {
    const from = giver === 'origin' ? 'origin' : this.#fromWhom(giver.peer)
    if (giver !== 'origin') this.traffic(giver).received += bytes
    this.#received.inc({ from }, bytes)
    this.totals.received[from] += bytes
    if (typeof of !== 'string') of.received[from] += bytes
    for (const listener of this.listeners) listener(typeof of === 'string' ? of : of.digest, from, bytes)
  }

  /** Bytes moved over one link so far. */
  traffic(link: PeerLink): { sent: number; received: number } {
    const known = this.#traffic.get(link) ?? { sent: 0, received: 0 }
    this.#traffic.set(link, known)
    return known
  }

  sent(link: PeerLink, bytes: number): void {
    this.traffic(link).sent += bytes
    const isOwnRegion = link.peer.region === this.#self.region
    const to = !isOwnRegion ? 'child' : this.#self.role === 'cache' ? 'region' : 'peer'
    this.#sent.inc({ to }, bytes)
    this.totals.sent[to] += bytes
  }

  /** Counts a small blob that leaves in one answer. */
  sentWhole(link: PeerLink, bytes: Uint8Array): Uint8Array {
    this.sent(link, bytes.length)
    return bytes
  }

  /** What a host is, not what it is of one blob: any cache of the region is `home`, a host that stands in for them is a `peer`. */
  #fromWhom({ region, role }: Self): Exclude<ReceivedFrom, 'origin'> {
    if (region !== this.#self.region) return 'parent'
    return role === 'cache' ? 'home' : 'peer'
  }

  rejected(reason: Rejection): void {
    this.#rejected.inc({ reason })
  }

  finished(transfer: Transfer, durationMs: number): void {
    const size = sizeClass(transfer.layout.size)
    const seconds = Math.max(0.001, durationMs / 1000)
    this.#seconds.observe({ size }, seconds)
    this.#rate.observe({ size }, transfer.layout.size / seconds)
  }
}
