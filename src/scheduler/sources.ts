/** A timeout shorter than the pipeline is deep collapses a swarm to a sixtieth of its rate; 24 piece times is safe. */
const DEADLINE_PIECE_TIMES = 24
/**
 * A host's pauses (collection, disk) pass within this. Simulated, 200 hosts at 10 Gb/s, where 1 GiB takes a second, 5 % of
 * them never answering: 1.13 of the bound with 100 ms, 1.16 with 250, 1.28 with 500; 3.2 with 1500 (300 hosts).
 */
const DEADLINE_LEAST_MS = 250
/** Before the first piece nothing is known of the link: twice as long each time that nothing came. */
const DEADLINE_FIRST_MS = 5_000
const DEADLINE_MOST_MS = 60_000
/** Three piece times at 10 Gb/s: longer, and sources go idle while nobody dares to ask them again. */
const BUSY_LEAST_MS = 5
const BUSY_MOST_MS = 1_000
const SNUB_FIRST_MS = 2_000
const SNUB_MOST_MS = 30_000
/** Snubbing more than this share means that the trouble is here, not there. */
const SNUB_SHARE = 1 / 3
const EWMA_WEIGHT = 0.2

interface Source {
  readonly distance: number
  outstanding: number
  /** Pieces it said wait in its queue. */
  queue: number
  busyUntil: number
  snubbedUntil: number
  snubMs: number
}

/** What this host knows of the hosts it may ask, over all blobs: load, distance, trouble. All private and forgetful. */
export class Sources {
  readonly #sources = new Map<number, Source>()
  #pieceTimeMs = 0
  #firstDeadlineMs = DEADLINE_FIRST_MS
  #overdueAt = Number.NEGATIVE_INFINITY
  #lastArrivalAt = Number.NEGATIVE_INFINITY

  get size(): number {
    return this.#sources.size
  }

  add(id: number, distance: number): void {
    if (this.#sources.has(id)) return
    this.#sources.set(id, { distance, outstanding: 0, queue: 0, busyUntil: 0, snubbedUntil: 0, snubMs: 0 })
  }

  remove(id: number): void {
    this.#sources.delete(id)
  }

  usable(id: number, now: number): boolean {
    const source = this.#sources.get(id)
    return source !== undefined && source.snubbedUntil <= now
  }

  /** Whether one more request may go to it now. */
  ready(id: number, limit: number, now: number): boolean {
    const source = this.#sources.get(id)
    return source !== undefined && isReady(source, limit, now)
  }

  /** The one to ask next of those that are ready and not among `except`; undefined when there is none. */
  leastLoaded(except: ReadonlySet<number>, limit: number, now: number): number | undefined {
    let best: number | undefined
    let bestLoad = Number.POSITIVE_INFINITY
    for (const [id, source] of this.#sources) {
      const load = loadOf(source)
      if (load >= bestLoad || !isReady(source, limit, now) || except.has(id)) continue
      best = id
      bestLoad = load
    }
    return best
  }

  usableCount(now: number): number {
    let count = 0
    for (const source of this.#sources.values()) if (source.snubbedUntil <= now) count++
    return count
  }

  asked(id: number): void {
    const source = this.#sources.get(id)
    if (source !== undefined) source.outstanding++
  }

  answered(id: number): void {
    const source = this.#sources.get(id)
    if (source !== undefined && source.outstanding > 0) source.outstanding--
  }

  told(id: number, queue: number): void {
    const source = this.#sources.get(id)
    if (source !== undefined) source.queue = queue
  }

  /** It delivered: forgive, and learn how long a piece takes at the pace of this host's link. */
  delivered(id: number, askedAt: number, now: number): void {
    const source = this.#sources.get(id)
    if (source !== undefined) source.snubMs = 0
    const took = now - Math.max(askedAt, this.#lastArrivalAt)
    this.#lastArrivalAt = now
    this.#pieceTimeMs = this.#pieceTimeMs === 0 ? took : this.#pieceTimeMs + EWMA_WEIGHT * (took - this.#pieceTimeMs)
  }

  /** It has no slot: leave it alone for about as long as its queue needs. */
  refused(id: number, queue: number, now: number): void {
    const source = this.#sources.get(id)
    if (source === undefined) return
    source.queue = queue
    source.busyUntil = now + Math.min(BUSY_MOST_MS, Math.max(BUSY_LEAST_MS, this.#pieceTimeMs * Math.max(1, queue)))
  }

  /** It sent wrong bytes: whether it lied is for others to judge, but the next request goes elsewhere. */
  shun(id: number, now: number): void {
    const source = this.#sources.get(id)
    if (source !== undefined) source.busyUntil = now + BUSY_MOST_MS
  }

  /** It let a deadline pass: skip it for a while, unless too many are skipped already. */
  snub(id: number, now: number): boolean {
    // before the first piece it may be this host's link that is slow; what is overdue at once is so once
    if (this.#overdueAt !== now) this.#firstDeadlineMs = Math.min(DEADLINE_MOST_MS, 2 * this.#firstDeadlineMs)
    this.#overdueAt = now
    const source = this.#sources.get(id)
    if (source === undefined) return false
    // several of its requests were overdue at once: that is one failure
    if (source.snubbedUntil > now) return true
    const snubbed = this.#sources.size - this.usableCount(now)
    if (snubbed + 1 > Math.max(1, this.#sources.size * SNUB_SHARE)) return false
    source.snubMs = Math.min(SNUB_MOST_MS, source.snubMs === 0 ? SNUB_FIRST_MS : source.snubMs * 2)
    source.snubbedUntil = now + source.snubMs
    return true
  }

  /** How long a request may be without a byte before its source is given up for it. */
  get deadlineMs(): number {
    if (this.#pieceTimeMs === 0) return this.#firstDeadlineMs
    return Math.min(DEADLINE_MOST_MS, Math.max(DEADLINE_LEAST_MS, DEADLINE_PIECE_TIMES * this.#pieceTimeMs))
  }

  /** Mean time between two pieces at this host, 0 before the first. */
  get pieceTimeMs(): number {
    return this.#pieceTimeMs
  }
}

function isReady({ outstanding, snubbedUntil, busyUntil }: Source, limit: number, now: number): boolean {
  return outstanding < limit && snubbedUntil <= now && busyUntil <= now
}

/** The lower the better: what waits there, what this host asked already, how far it is. */
function loadOf({ queue, outstanding, distance }: Source): number {
  return queue + 2 * outstanding + distance
}
