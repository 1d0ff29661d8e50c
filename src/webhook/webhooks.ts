import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import { parseJson } from '../base/json.ts'
import type { Logger } from '../base/log.ts'
import type { Counter, MetricRegistry } from '../base/metrics.ts'
import { TaskGroup } from '../base/task-group.ts'
import type { Digest } from '../oci/digest.ts'
import type { Reference, TagRef } from '../oci/reference.ts'
import { canonicalRepository, referenceText } from '../oci/reference.ts'
import type { Hint, JobOptions, WebhookHead, WebhookResponse, WebhookRule, WebhookSource } from './interface.ts'
import { WEBHOOK_SOURCES } from './interface.ts'
import { matchesPattern } from './pattern.ts'
import { parsePayload } from './payloads.ts'
import { proven, shownBy } from './proof.ts'

/** The image that a push is about, by the names this fleet has for it. */
export type HintedImage = TagRef

/** What a deletion is about. */
export type DeletedImage = Reference

interface WebhookDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: MetricRegistry
  /** Whether `upstream` is configured: images of others cannot be had. */
  readonly knows: (upstream: string) => boolean
  /** What the origin says the tag is now, past every cache; undefined when it has no such tag. */
  readonly resolve: (image: HintedImage, signal: AbortSignal) => Promise<Digest | undefined>
  /** Starts the job. */
  readonly submit: (image: HintedImage, digest: Digest, options: JobOptions, signal: AbortSignal) => Promise<void>
  /** Whether the origin says that there is no such tag or image. */
  readonly isGone: (image: DeletedImage, signal: AbortSignal) => Promise<boolean>
  /** Has it leave every host. */
  readonly purge: (image: DeletedImage, signal: AbortSignal) => Promise<void>
}

interface WebhookOptions {
  readonly rules: readonly WebhookRule[]
  /** How long the same digest starts a rule's job only once: sources repeat themselves. */
  readonly dedupeMs: number
}

/** Hints that wait or are looked into; more are refused, and senders try again. */
const MAX_PENDING = 256
const MAX_CONCURRENT = 4
const MAX_REMEMBERED = 10_000
/** The same may be pushed and deleted again: a deletion that is told twice is one for this long. */
const PURGED_MS = 60_000
/** A registry may tell of a push before all of it can be read, and of a deletion before it is done. */
const RETRY_AFTER_MS = [2_000, 15_000]

const RESULTS = [
  'started',
  'purged',
  'duplicate',
  'unmatched',
  'unauthorized',
  'invalid',
  'busy',
  'gone',
  'kept',
  'failed',
] as const

type Result = (typeof RESULTS)[number]

/** A registry may tell of something before it is so: that is looked at again. */
const AGAIN: readonly Result[] = ['failed', 'gone', 'kept']

interface OfRule {
  readonly rule: WebhookRule
  readonly ruleIndex: number
}
interface PendingPush extends OfRule {
  readonly image: HintedImage
  readonly hinted: Digest | undefined
}
interface PendingDeletion extends OfRule {
  readonly deleted: DeletedImage
}
type Pending = PendingPush | PendingDeletion

/**
 * Webhooks of registries, taken as hints: whoever sends one must prove to know a rule's secret, and what it says is asked
 * again at the origin before anything moves. Returns at once; the work is done after.
 */
export class Webhooks implements AsyncDisposable {
  readonly #deps: WebhookDeps
  readonly #options: WebhookOptions
  readonly #received: Counter<{ source: WebhookSource; result: Result }>
  /** What was started lately, by rule and digest. */
  readonly #started: ExpiringMap<true>
  readonly #queue: Pending[] = []
  readonly #tasks: TaskGroup

  constructor(deps: WebhookDeps, options: WebhookOptions) {
    this.#deps = deps
    this.#tasks = new TaskGroup(deps.logger)
    this.#options = options
    this.#started = new ExpiringMap(deps.clock, MAX_REMEMBERED)
    this.#received = deps.registry.counter(
      'shoal_prewarm_hooks_total',
      'Webhooks of registries by what became of them: one for each hint and rule that match, else one a request',
      { source: WEBHOOK_SOURCES, result: RESULTS },
    )
  }

  /** Whether the body is worth reading: `unknown` and `unauthorized` are final. */
  admits(head: WebhookHead): 'yes' | 'unknown' | 'unauthorized' {
    const source = this.#source(head.source)
    if (source === undefined) return 'unknown'
    const shown = shownBy(source, head)
    const known =
      shown !== undefined &&
      (shown.kind === 'signature' || proven(shown, this.#secrets(source), new Uint8Array()).includes(true))
    if (known) return 'yes'
    this.#count(source, 'unauthorized')
    return 'unauthorized'
  }

  /** Takes a webhook. Never throws; what follows from it happens after the answer. */
  receive(head: WebhookHead, body: Uint8Array): WebhookResponse {
    const source = this.#source(head.source)
    if (source === undefined) return { kind: 'unknown' }
    const shown = shownBy(source, head)
    const rules = [...this.#options.rules.entries()].filter(([, rule]) => rule.source === source)
    const marks = shown === undefined ? [] : proven(shown, this.#secrets(source), body)
    const trusted = rules.filter((_, i) => marks[i] === true)
    if (trusted.length === 0) {
      this.#count(source, 'unauthorized')
      return { kind: 'unauthorized' }
    }
    const hints = parsePayload(source, parseJson(body))
    if (hints === undefined) {
      this.#count(source, 'invalid')
      return { kind: 'invalid', message: `not in the format of ${source}'s webhooks, as JSON` }
    }
    return this.#take(source, hints, trusted)
  }

  /** Resolves when nothing waits any more. */
  settled(): Promise<void> {
    return this.#tasks.settled()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#queue.length = 0
    return this.#tasks.stop()
  }

  #take(
    source: WebhookSource,
    hints: readonly Hint[],
    rules: readonly (readonly [number, WebhookRule])[],
  ): WebhookResponse {
    const wanted = new Map<string, Pending>()
    for (const hint of hints) {
      for (const [ruleIndex, rule] of rules) {
        const pending = this.#match(hint, { rule, ruleIndex })
        if (pending !== undefined) wanted.set(`${ruleIndex} ${nameOf(pending)}`, pending)
      }
    }
    if (wanted.size === 0) this.#count(source, 'unmatched')
    if (this.#queue.length + this.#tasks.size + wanted.size > MAX_PENDING) {
      this.#count(source, 'busy')
      return { kind: 'busy' }
    }
    this.#queue.push(...wanted.values())
    this.#advance()
    return { kind: 'accepted', matched: wanted.size }
  }

  /** A rule is about pushes or about deletions. An image by its digest has no tag: only a rule for all tags is about it. */
  #match(hint: Hint, ofRule: OfRule): Pending | undefined {
    const { rule } = ofRule
    const upstream = rule.upstream ?? hint.upstream
    if (upstream === undefined || !this.#deps.knows(upstream)) return undefined
    const repository = canonicalRepository(upstream, hint.repository)
    if (!matchesPattern(rule.repository, repository)) return undefined
    if (!('deleted' in hint)) {
      const { tag, digest: hinted } = hint
      const isWanted = !rule.purge && matchesPattern(rule.tag, tag)
      return isWanted ? { ...ofRule, image: { upstream, repository, tag }, hinted } : undefined
    }
    const target = hint.deleted
    const fits = target.kind === 'tag' ? matchesPattern(rule.tag, target.tag) : /^\*+$/.test(rule.tag)
    return rule.purge && fits ? { ...ofRule, deleted: { upstream, repository, target } } : undefined
  }

  #advance(): void {
    while (this.#tasks.size < MAX_CONCURRENT && !this.#tasks.signal.aborted) {
      const next = this.#queue.shift()
      if (next === undefined) return
      void this.#tasks.run('a webhook was given up', () => this.#follow(next)).then(() => this.#advance())
    }
  }

  /** Never rejects. */
  async #follow(pending: Pending): Promise<void> {
    const { rule } = pending
    const image = nameOf(pending)
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#attempt(pending).catch((error: unknown) => {
        if (!this.#tasks.signal.aborted)
          this.#deps.logger.warn({ image, err: error }, 'a webhook could not be followed')
        return 'failed' as const
      })
      if (this.#tasks.signal.aborted) return
      const delayMs = RETRY_AFTER_MS[attempt]
      if (!AGAIN.includes(outcome) || delayMs === undefined) {
        this.#deps.logger.info({ image, source: rule.source, result: outcome }, 'a webhook was followed')
        return this.#count(rule.source, outcome)
      }
      // an abort ends the next attempt at once
      await sleep(this.#deps.clock, delayMs, this.#tasks.signal).catch(() => {})
    }
  }

  #attempt(pending: Pending): Promise<Result> {
    return 'deleted' in pending ? this.#purge(pending) : this.#start(pending)
  }

  async #purge({ ruleIndex, deleted }: PendingDeletion): Promise<Result> {
    const { signal } = this.#tasks
    signal.throwIfAborted()
    if (!(await this.#deps.isGone(deleted, signal))) return 'kept'
    signal.throwIfAborted()
    return this.#once(`${ruleIndex} deleted ${referenceText(deleted)}`, PURGED_MS, async () => {
      await this.#deps.purge(deleted, signal)
      return 'purged'
    })
  }

  async #start({ rule, ruleIndex, image, hinted }: PendingPush): Promise<Result> {
    const { signal } = this.#tasks
    signal.throwIfAborted()
    const digest = await this.#deps.resolve(image, signal)
    signal.throwIfAborted()
    if (digest === undefined) return 'gone'
    if (hinted !== undefined && hinted !== digest) {
      this.#deps.logger.info({ ...image, hinted, digest }, 'the origin has another digest than the webhook says')
    }
    const key = `${ruleIndex} ${image.upstream}/${image.repository}@${digest}`
    return this.#once(key, this.#options.dedupeMs, async () => {
      await this.#deps.submit(image, digest, rule.options, signal)
      return 'started'
    })
  }

  /** Done once within `ms`, unless it fails. */
  async #once(key: string, ms: number, act: () => Promise<Result>): Promise<Result> {
    if (this.#started.get(key) === true) return 'duplicate'
    // before the wait, so that a repeated hint does not start it again meanwhile
    this.#started.set(key, true, ms)
    try {
      return await act()
    } catch (error) {
      this.#started.delete(key)
      throw error
    }
  }

  #source(text: string): WebhookSource | undefined {
    const source = WEBHOOK_SOURCES.find((one) => one === text)
    return source !== undefined && this.#options.rules.some((rule) => rule.source === source) ? source : undefined
  }

  /** In the order of the source's rules. */
  #secrets(source: WebhookSource): string[] {
    return this.#options.rules.filter((rule) => rule.source === source).map(({ secret }) => secret)
  }

  #count(source: WebhookSource, result: Result): void {
    this.#received.inc({ source, result })
  }
}

function nameOf(pending: Pending): string {
  if ('deleted' in pending) return referenceText(pending.deleted)
  const { upstream, repository, tag } = pending.image
  return referenceText({ upstream, repository, target: { kind: 'tag', tag } })
}
