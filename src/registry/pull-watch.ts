import type { IncomingMessage } from 'node:http'
import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Logger } from '../base/log.ts'
import type { Counter, Histogram, MetricRegistry, NoLabels } from '../base/metrics.ts'
import { sumOf } from '../base/sum.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import type { ContentSource } from '../blob/interface.ts'
import type { Digest } from '../oci/digest.ts'
import { parseDigest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { parseManifest } from '../oci/manifest.ts'
import { referenceText } from '../oci/reference.ts'
import type { Answer } from './answer.ts'
import { withHeaders } from './answer.ts'
import { BlobSources } from './blob-sources.ts'
import type { Subject } from './pull-api.ts'
import type { PullTrace, PullTraces } from './pull-traces.ts'
import type { BytesBySource, OpenPull, PartEnding, PullPart, PullReport, PullResult } from './pulls.ts'
import { NO_BYTES, PULL_RESULTS, Pulls } from './pulls.ts'

/** What a pull's line in the log and its event say. */
interface PullEvent {
  /** As it was asked for, with its registry; a repository alone where only blobs were. */
  readonly image: string
  readonly digest: Digest | undefined
  /** By its User-Agent. */
  readonly runtime: string
  readonly client: string
  readonly result: PullResult
  readonly seconds: number
  readonly bytes: number
  readonly from: BytesBySource
}

/** What the line of a refusal and its event say. */
interface RefusalEvent {
  readonly image: string
  readonly runtime: string
  readonly client: string
  readonly status: number
  readonly code: string
  readonly cause: string
  /** Refusals before this one that were too many to be told. */
  readonly untold: number
}

/** Who hears of pulls and refusals; must not throw. */
export interface PullListener {
  pulled(event: PullEvent): void
  refused(event: RefusalEvent): void
}

interface PullWatchDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: MetricRegistry
  readonly listener?: PullListener | undefined
  readonly traces: PullTraces
}

/** A request that was answered, on its way out. */
export interface WatchedRequest {
  ended(ending: number | 'cut' | 'left' | 'gone', sentBytes: number): void
}

const RECEIVED_HEADER = 'X-Shoal-Received'
const LOOK_EVERY_MS = 5_000
/** The same is refused again and again: a runtime asks by HEAD and GET, for each platform, and tries again. */
const TOLD_MS = 30_000
const MOST_TOLD = 1_024
/** Whoever asks for made-up names fills no log. */
const REFUSALS = { most: 50, perSec: 2 }
const MAX_RUNTIME_CHARS = 64
const MAX_TARGET_CHARS = 200

/** Says in the log, in metrics and to a listener what becomes of each pull, and why something was refused. */
export class PullWatch implements Disposable {
  readonly sources: BlobSources
  readonly #deps: PullWatchDeps
  readonly #pulls = new Pulls()
  readonly #ended: Counter<{ result: PullResult }>
  readonly #seconds: Histogram<NoLabels>
  readonly #told: ExpiringMap<true>
  readonly #bucket: TokenBucket
  #untold = 0
  #timer: Disposable | undefined

  constructor(deps: PullWatchDeps) {
    this.#deps = deps
    this.sources = new BlobSources(deps.clock)
    this.#told = new ExpiringMap(deps.clock, MOST_TOLD)
    this.#bucket = new TokenBucket(deps.clock, REFUSALS)
    this.#ended = deps.metrics.counter(
      'shoal_pulls_total',
      'Pulls that ended, by result: done, checked (manifests only), refused (the runtime goes to the registry itself), failed (a body was cut short), left (by its runtime).',
      { result: PULL_RESULTS },
    )
    this.#seconds = deps.metrics.histogram(
      'shoal_pull_seconds',
      'Time from the first request of a pull that was served whole to the end of its last.',
      {},
      [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800],
    )
  }

  /** What a request is answered with, before it is sent. Undefined for what is neither a pull's nor refused. */
  answered(
    request: IncomingMessage,
    subject: Subject,
    answer: Answer,
    { startedAt, trace }: { readonly startedAt: number; readonly trace: PullTrace | undefined },
  ): WatchedRequest | undefined {
    const client = request.socket.remoteAddress ?? 'unknown'
    const runtime = runtimeOf(request.headers['user-agent'])
    // a demand to log in is the usual beginning
    if (answer.status === 401) return undefined
    if (answer.status >= 400) this.#refuse(answer, { image: subject.name.slice(0, MAX_TARGET_CHARS), runtime, client })
    if (subject.part === undefined) return undefined
    const { upstream, repository } = subject
    const part = seenPart(subject.part, answer)
    const isRefused = answer.status >= 400
    const opens = part.kind === 'manifest' || (!isRefused && request.method === 'GET')
    const begun = this.#pulls.begin({ client, runtime, upstream, repository }, part, { startedAt, opens, trace })
    this.#say(begun.pushedOut)
    this.#look()
    const { pull } = begun
    return pull === undefined
      ? undefined
      : { ended: (ending, sent) => this.#close({ pull, part, answer }, ending, sent) }
  }

  /**
   * A blob's HEAD with where this host had it from lately, and how long ago: while a body is on its way nobody knows yet
   * (`X-Shoal-Received: home=1048576, peer=0, ...; age=0.2`).
   */
  withReceived(answer: Answer, { part }: Subject): Answer {
    const received = part?.kind === 'blob' && answer.status === 200 ? this.sources.received(part.digest, 0) : undefined
    if (received === undefined) return answer
    const sources = Object.entries(received.bytes).map(([from, bytes]) => `${from}=${bytes}`)
    const age = ((this.#deps.clock.now() - received.lastAt) / 1000).toFixed(3)
    return withHeaders(answer, { [RECEIVED_HEADER]: `${sources.join(', ')}; age=${age}` })
  }

  /** Whether a pull has still to be served a blob. */
  expects(digest: Digest): boolean {
    return this.#pulls.expects(digest)
  }

  /** Says what is known of the pulls that have not ended. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]()
    for (const report of this.#pulls.endAll()) this.#say(report)
  }

  #close(
    { pull, part, answer }: { readonly pull: OpenPull; readonly part: PullPart; readonly answer: Answer },
    how: number | 'cut' | 'left' | 'gone',
    sent: number,
  ): void {
    const bytes = this.#bytes(pull, part, { sent, otherwise: sourceOf(answer) })
    const ending = endingOf(how)
    this.#say(this.#pulls.ended(pull, part, { ending, bytes, now: this.#deps.clock.now() }))
  }

  #bytes(pull: OpenPull, part: PullPart, sent: { readonly sent: number; readonly otherwise: ContentSource }) {
    const digest = part.digest
    // a name that no digest has: it did not come as content
    if (digest === undefined) return { ...NO_BYTES, local: sent.sent }
    return this.sources.split(digest, { ...sent, since: pull.startedAt })
  }

  #refuse({ status, refused }: Answer, who: Pick<RefusalEvent, 'image' | 'runtime' | 'client'>): void {
    const cause = refused?.message ?? 'no reason given'
    const key = `${who.client} ${who.runtime} ${who.image} ${cause}`
    if (this.#told.get(key) === true) return
    this.#told.set(key, true, TOLD_MS)
    if (this.#bucket.left < 1) return void this.#untold++
    this.#bucket.take(1)
    const event: RefusalEvent = { ...who, status, code: refused?.code ?? 'UNKNOWN', cause, untold: this.#untold }
    this.#untold = 0
    this.#deps.logger.info(event, 'refused')
    this.#deps.listener?.refused(event)
  }

  #say(report: PullReport | undefined): void {
    if (report === undefined) return
    const { upstream, repository, tag, digest, runtime, client, result, seconds, bytes: from } = report
    this.#ended.inc({ result })
    const bytes = sumOf(from)
    const image = imageText({ upstream, repository, tag, digest })
    if (report.trace !== undefined) this.#deps.traces.ended(report.trace, { image, runtime, result, bytes })
    if (result === 'done') this.#seconds.observe({}, seconds)
    // its refusal has been told
    if (result === 'refused' && bytes === 0) return
    const rounded = Math.round(seconds * 1000) / 1000
    const event: PullEvent = { image, digest, runtime, client, result, seconds: rounded, bytes, from }
    this.#deps.logger.info(event, 'pull')
    this.#deps.listener?.pulled(event)
  }

  /** Looks again and again for pulls that have become quiet, while there is one. */
  #look(): void {
    if (this.#timer !== undefined || this.#pulls.size === 0) return
    this.#timer = this.#deps.clock.after(LOOK_EVERY_MS, () => {
      this.#timer = undefined
      for (const report of this.#pulls.expire(this.#deps.clock.now())) this.#say(report)
      this.#look()
    })
  }
}

/** The program that asks, and its version, as it says: the first word of its User-Agent. */
function runtimeOf(userAgent: string | undefined): string {
  const [first] = /^[\w.+~-]+(?:\/[\w.+~-]+)?/.exec(userAgent ?? '') ?? []
  return first?.slice(0, MAX_RUNTIME_CHARS) ?? 'unknown'
}

function imageText(image: Pick<PullReport, 'upstream' | 'repository' | 'tag' | 'digest'>): string {
  const { upstream, repository, tag, digest } = image
  if (tag !== undefined) return referenceText({ upstream, repository, target: { kind: 'tag', tag } })
  return digest === undefined
    ? `${upstream}/${repository}`
    : referenceText({ upstream, repository, target: { kind: 'digest', digest } })
}

/** What a request is for, with what its answer says. */
function seenPart(part: NonNullable<Subject['part']>, answer: Answer): PullPart {
  if (part.kind === 'blob') return part
  const header = answer.headers['Docker-Content-Digest']
  const digest = typeof header === 'string' ? parseDigest(header) : undefined
  return { kind: 'manifest', target: part.target, digest, manifest: manifestOf(answer) }
}

function manifestOf({ status, body }: Answer): Manifest | undefined {
  if (status !== 200 || 'reader' in body) return undefined
  try {
    return parseManifest(body)
  } catch {
    return undefined
  }
}

const SOURCES: Readonly<Record<ContentSource, true>> = {
  local: true,
  peer: true,
  home: true,
  parent: true,
  origin: true,
}

function sourceOf({ headers }: Answer): ContentSource {
  const said = headers['X-Shoal-Source']
  return typeof said === 'string' && Object.hasOwn(SOURCES, said) ? (said as ContentSource) : 'local'
}

function endingOf(ending: number | 'cut' | 'left' | 'gone'): PartEnding {
  if (typeof ending === 'number') return ending >= 400 && ending !== 416 ? 'refused' : 'whole'
  return ending === 'cut' ? 'cut' : 'left'
}
