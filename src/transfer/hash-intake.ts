import type { HashRun, PeerLink } from '../swarm/index.ts'
import type { Judgement } from '../trust/index.ts'
import type { Active } from './active.ts'
import { countOf, unsigned } from './hash-run.ts'

/** Runs looked at in one turn of the event loop, each with its signature: some 5 ms of it. */
const CHECKS_PER_TURN = 48
/** This many hashes take as long to look through as a signature. */
const HASHES_PER_CHECK = 512
/** What may wait of one link; a frame is at most 5 MiB. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024
/** Runs of one link whose signatures mean nothing here: as many as a few large images have. */
const MAX_UNKNOWN = 16_384
/** What a run takes beside its hashes. */
const RUN_BYTES = 256

interface HashIntakeDeps {
  /** What the run's signature is worth. */
  readonly judge: (active: Active, link: PeerLink, run: HashRun) => Judgement
  /** Whether a link is to a cache of this region or of one above. */
  readonly isHomeward: (link: PeerLink) => boolean
  /** A run is believed: signed, or the word of the transfer's home. */
  readonly accept: (active: Active, link: PeerLink, run: HashRun, vouched: boolean) => void
}

interface Waiting {
  readonly runs: { readonly active: Active; readonly run: HashRun }[]
  bytes: number
}

/**
 * Decides which piece hashes are believed: signed ones from anybody, a peer's word only from the transfer's home. A
 * message may hold thousands of signatures, and each costs more to check than all the rest of it: this many are checked
 * a turn, the links that wait for more take turns, and the first false one ends the link of a member.
 */
export class HashIntake {
  readonly #deps: HashIntakeDeps
  readonly #waiting = new Map<PeerLink, Waiting>()
  readonly #unknown = new WeakMap<PeerLink, number>()
  #checksLeft = CHECKS_PER_TURN
  #turn: NodeJS.Immediate | undefined

  constructor(deps: HashIntakeDeps) {
    this.#deps = deps
  }

  /** Takes what a link says of a blob's pieces. What is within the turn's bound is believed at once. */
  take(active: Active, link: PeerLink, runs: readonly HashRun[]): void {
    const waiting = this.#waiting.get(link) ?? { runs: [], bytes: 0 }
    for (const run of runs) {
      waiting.runs.push({ active, run })
      waiting.bytes += bytesOf(run)
    }
    if (waiting.bytes > MAX_WAITING_BYTES) {
      this.#waiting.delete(link)
      link.breach('a peer sent more piece hashes than can be checked')
      return
    }
    this.#waiting.set(link, waiting)
    this.#work(link, waiting)
  }

  /** Goes on with one link until the turn's bound; what is left waits behind the other links. */
  #work(link: PeerLink, waiting: Waiting): void {
    let at = 0
    while (at < waiting.runs.length && this.#checksLeft > 0) {
      const { active, run } = waiting.runs[at++]!
      waiting.bytes -= bytesOf(run)
      if (this.#judge(active, link, run)) continue
      this.#waiting.delete(link)
      link.breach('a peer handed on piece hashes with a false signature')
      return
    }
    waiting.runs.splice(0, at)
    this.#waiting.delete(link)
    if (waiting.runs.length > 0) this.#waiting.set(link, waiting)
    this.#schedule()
  }

  /** False when the run proves that its sender breaks the protocol. */
  #judge(active: Active, link: PeerLink, run: HashRun): boolean {
    if (active.transfer.signal.aborted) return true
    this.#checksLeft -= countOf(run) / HASHES_PER_CHECK
    // every neighbour passes the same runs on
    if (active.transfer.pieceHashes.covers(run)) return true
    this.#checksLeft--
    if (run.signature === undefined) {
      if (link === active.home) this.#deps.accept(active, link, run, false)
      return true
    }
    const judgement = this.#deps.judge(active, link, run)
    if (judgement === 'good') {
      this.#deps.accept(active, link, run, true)
      return true
    }
    // A cache has proven on its link that it is one, which is worth as much as the signature: that may be by a credential
    // this host does not know yet. It is not passed on.
    if (this.#deps.isHomeward(link)) {
      this.#deps.accept(active, link, unsigned(run), true)
      return true
    }
    return judgement === 'unknown' && this.#bears(link)
  }

  /** What nobody here can tell is passed over: keys and certificates change, and not everywhere at once. But not for ever. */
  #bears(link: PeerLink): boolean {
    const unknown = (this.#unknown.get(link) ?? 0) + 1
    this.#unknown.set(link, unknown)
    return unknown <= MAX_UNKNOWN
  }

  #schedule(): void {
    if (this.#checksLeft === CHECKS_PER_TURN) return
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined
      this.#checksLeft = CHECKS_PER_TURN
      const [next] = this.#waiting
      if (next !== undefined) this.#work(...next)
    })
  }
}

function bytesOf({ hashes, signature }: HashRun): number {
  return RUN_BYTES + hashes.length + (signature?.length ?? 0)
}
