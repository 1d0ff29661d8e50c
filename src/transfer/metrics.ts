import type { Counter, Histogram, MetricRegistry } from '../base/metrics.ts'
import type { Digest } from '../oci/digest.ts'
import type { SourceKind } from '../scheduler/index.ts'
import type { PeerLink } from '../swarm/index.ts'
import type { ReceivedFrom, Transfer } from './transfer.ts'

export type ReceivedListener = (digest: Digest, from: ReceivedFrom, bytes: number) => void

const MIB = 1024 * 1024

type SizeClass = 'under_1MiB' | '1MiB_to_16MiB' | '16MiB_to_256MiB' | 'over_256MiB'

function sizeClass(bytes: number): SizeClass {
  if (bytes < MIB) return 'under_1MiB'
  if (bytes < 16 * MIB) return '1MiB_to_16MiB'
  return bytes < 256 * MIB ? '16MiB_to_256MiB' : 'over_256MiB'
}

/** What moves through this host's transfers, for Prometheus and for the status door. */
export class TransferMetrics {
  readonly totals: {
    readonly received: Record<ReceivedFrom, number>
    readonly sent: Record<'peer' | 'child', number>
  } = {
    received: { peer: 0, home: 0, parent: 0, origin: 0 },
    sent: { peer: 0, child: 0 },
  }
  /** Told of every byte that comes; must not throw. */
  readonly listeners = new Set<ReceivedListener>()
  readonly #received: Counter<'from'>
  readonly #sent: Counter<'to'>
  readonly #rejected: Counter<'reason'>
  readonly #seconds: Histogram<'size'>
  readonly #rate: Histogram<'size'>
  readonly #ownRegion: string
  readonly #traffic = new WeakMap<PeerLink, { sent: number; received: number }>()

  constructor(registry: MetricRegistry, ownRegion: string, active: () => number) {
    this.#ownRegion = ownRegion
    this.#received = registry.counter('shoal_received_bytes_total', 'Content bytes received, by where they came from', [
      'from',
    ])
    this.#sent = registry.counter('shoal_sent_bytes_total', 'Content bytes sent, by whom to', ['to'])
    this.#rejected = registry.counter('shoal_pieces_rejected_total', 'Pieces received and not kept, by reason', [
      'reason',
    ])
    this.#seconds = registry.histogram(
      'shoal_transfer_seconds',
      'Time from the first ask to the proven blob',
      ['size'],
      [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600],
    )
    this.#rate = registry.histogram(
      'shoal_transfer_bytes_per_second',
      'Mean rate of a finished transfer',
      ['size'],
      [MIB, 4 * MIB, 16 * MIB, 64 * MIB, 128 * MIB, 256 * MIB, 512 * MIB, 1024 * MIB],
    )
    registry.gauge('shoal_transfers_active', 'Blobs being fetched', [], (gauge) => gauge.set({}, active()))
  }

  /** Of a transfer, or of a small blob that needed none. */
  received(of: Transfer | Digest, from: SourceKind | 'origin', bytes: number): void {
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
    const to = link.peer.region === this.#ownRegion ? 'peer' : 'child'
    this.#sent.inc({ to }, bytes)
    this.totals.sent[to] += bytes
  }

  rejected(reason: 'wrong_bytes' | 'no_hash' | 'duplicate' | 'failed_digest'): void {
    this.#rejected.inc({ reason })
  }

  finished(transfer: Transfer, durationMs: number): void {
    const size = sizeClass(transfer.layout.size)
    const seconds = Math.max(0.001, durationMs / 1000)
    this.#seconds.observe({ size }, seconds)
    this.#rate.observe({ size }, transfer.layout.size / seconds)
  }
}
