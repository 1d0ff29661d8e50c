import type { AdminSource, OwnView, PageSource, PageTransfer, PageView, PinSource } from '../../admin/index.ts'
import type { Clock } from '../../base/clock.ts'
import { sumOf } from '../../base/sum.ts'
import type { Swarm } from '../../swarm/index.ts'
import type { Transfers, TransferView } from '../../transfer/index.ts'
import { transferStatus } from '../node-status.ts'
import { GrowthRates } from './growth-rates.ts'
import type { JobSource } from './job-watch.ts'
import { JobWatch } from './job-watch.ts'
import { pictureOf } from './picture.ts'
import type { PlacedHost } from './zones.ts'
import { zonesOf } from './zones.ts'

const MOST_TRANSFERS = 24
const MOST_PINS = 100
/** However many look, the host is looked at as often. */
const FRESH_MS = 500

interface PageViewDeps {
  readonly clock: Pick<Clock, 'now' | 'wall'>
  readonly status: Pick<AdminSource, 'status' | 'ready'>
  readonly swarm: Swarm
  readonly transfers: Transfers
  readonly pins: Pick<PinSource, 'list'>
  readonly jobs: JobSource
}

/** What the page shows of a running node: read from memory, and kept for half a second. */
export class PageViews implements PageSource {
  readonly #deps: PageViewDeps
  readonly #jobs: JobWatch
  readonly #moved = new GrowthRates()
  readonly #sent = new GrowthRates()
  readonly #received = new GrowthRates()
  #latest: { readonly at: number; readonly common: Omit<PageView, 'own'>; own: OwnView | undefined } | undefined

  constructor(deps: PageViewDeps) {
    this.#deps = deps
    this.#jobs = new JobWatch(deps.clock, deps.jobs)
  }

  view(isOwn: boolean): PageView {
    const now = this.#deps.clock.now()
    if (this.#latest === undefined || now - this.#latest.at >= FRESH_MS) {
      this.#latest = { at: now, common: this.#common(now), own: undefined }
    }
    const { common } = this.#latest
    if (isOwn) {
      this.#latest.own ??= this.#own(now)
      return { ...common, own: this.#latest.own }
    }
    return { ...common, transfers: common.transfers.map((one) => ({ ...one, repository: null })), own: null }
  }

  #common(now: number): Omit<PageView, 'own'> {
    const { clock, status, transfers } = this.#deps
    const views = transfers.views().sort((a, b) => a.transfer.startedAt - b.transfer.startedAt)
    this.#moved.note(
      views.map(({ transfer: { digest, received } }) => [digest, sumOf(received)] as const),
      now,
    )
    return {
      atEpochMs: clock.wall(),
      status: status.status(),
      readiness: status.ready([]),
      transfers: views.slice(0, MOST_TRANSFERS).map((view) => this.#transfer(view, now)),
      moreTransfers: Math.max(0, views.length - MOST_TRANSFERS),
    }
  }

  /** How fast it is now tells more than how fast it has been since it began. */
  #transfer(view: TransferView, now: number): PageTransfer {
    const { ref, partial } = view.transfer
    const status = transferStatus(view, now)
    const rate = this.#moved.of(status.digest) ?? status.bytesPerSec
    return {
      ...status,
      bytesPerSec: rate,
      etaSeconds: rate > 0 ? (status.sizeBytes - status.haveBytes) / rate : null,
      picture: pictureOf(partial.have),
      repository: `${ref.upstream}/${ref.repository}`,
    }
  }

  #own(now: number): OwnView {
    const { jobs, problem } = this.#jobs.look()
    return {
      zones: zonesOf(this.#hosts(now)),
      jobs,
      jobsProblem: problem,
      pins: this.#deps.pins.list().slice(0, MOST_PINS),
    }
  }

  #hosts(now: number): PlacedHost[] {
    const { swarm, transfers } = this.#deps
    const moved = [...swarm.links.values()].map((link) => ({ peer: link.peer, ...transfers.traffic.traffic(link) }))
    this.#sent.note(
      moved.map(({ peer, sent }) => [peer.key, sent] as const),
      now,
    )
    this.#received.note(
      moved.map(({ peer, received }) => [peer.key, received] as const),
      now,
    )
    return moved.map(({ peer: { key, role, region, zone, addresses }, sent, received }) => ({
      key,
      address: addresses[0] ?? key,
      role,
      region,
      zone,
      sentPerSec: this.#sent.of(key) ?? 0,
      receivedPerSec: this.#received.of(key) ?? 0,
      sentBytes: sent,
      receivedBytes: received,
    }))
  }
}
