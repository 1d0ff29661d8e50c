/** Less than 32 KiB/s from all sources together is no progress: a layer of 100 MB would take an hour. */
const TRICKLE_BYTES_PER_MS = (32 * 1024) / 1_000

/** Whether a blob gets on: when something of it has last come, what has begun to come, and how often it has stalled. */
export class Progress {
  #lastAt: number
  /** Bytes since then: too few are no progress. */
  #trickle = 0
  /** Since when a home or parent is at a piece that it has begun to send, and that makes no progress. */
  #begunAt: number | undefined
  #keptAt: number
  /** Whether a source has been given up since then. */
  #gaveUp = false
  #stalls = 0
  #stalledAt = Number.NEGATIVE_INFINITY

  constructor(now: number) {
    this.#lastAt = now
    this.#keptAt = now
  }

  /** How often in a row nothing has come for long. */
  get stalls(): number {
    return this.#stalls
  }

  /** For how long nothing, or a trickle, has come. */
  idleMs(now: number): number {
    return now - this.#lastAt
  }

  /** For how long what a home or parent has begun has not gone on. */
  begunMs(now: number): number {
    return this.#begunAt === undefined ? 0 : now - this.#begunAt
  }

  sinceStalledMs(now: number): number {
    return now - this.#stalledAt
  }

  /** For how long no piece has become whole, if sources have been given up meanwhile: bytes that they sent are lost. */
  lostMs(now: number): number {
    return this.#gaveUp ? now - this.#keptAt : 0
  }

  /** Nothing more comes of what a source has begun, if it has. */
  gaveUp(): void {
    this.#gaveUp = true
  }

  /** A piece is whole. */
  kept(now: number): void {
    this.#keptAt = now
    this.#gaveUp = false
    this.brought(now)
  }

  /** Bytes have come. What trickles is no life: a source could go on with it for hours. */
  came(bytes: number, now: number): void {
    this.#trickle += bytes
    if (this.#trickle >= TRICKLE_BYTES_PER_MS * this.idleMs(now)) this.brought(now)
  }

  /** As much has come as makes a difference. */
  brought(now: number): void {
    this.#stalls = 0
    this.lively(now)
  }

  /** All is well, or nothing was to be expected. */
  lively(now: number): void {
    this.#lastAt = now
    this.#begunAt = undefined
    this.#trickle = 0
  }

  /** A home or a parent has begun to send a piece. */
  begun(now: number): void {
    this.#begunAt ??= now
  }

  /** A home or a parent is none any more: what it has begun ends with it. */
  parted(): void {
    this.#begunAt = undefined
  }

  /** It has been said that nothing comes. */
  stalled(now: number): void {
    this.#stalledAt = now
    this.#begunAt = undefined
    this.#stalls++
  }
}
