import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { BlobStore } from '../store/index.ts'
import type { PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Order } from '../trust/index.ts'
import type { Desk } from './desk.ts'
import type {
  HostView,
  JobRow,
  Plan,
  PrewarmPlanView,
  PrewarmService,
  PrewarmSpec,
  PrewarmView,
  RegionSurvey,
} from './interface.ts'
import { createJob, homeKeyOf, isFinal, patchJob } from './job.ts'
import { MAX_LIVE_JOBS } from './job-book.ts'
import { impossible, refuseOther, refuseTooFew, refuseTooLarge, sameJob, unanswered } from './job-refusals.ts'
import type { JobOrderOf, Orders } from './orders.ts'
import { withOrder } from './orders.ts'
import type { Planner } from './planner.ts'
import type { Post } from './post.ts'
import type { Answer, Ask, Question, QuestionName, QuestionOf } from './questions.ts'
import { HOSTS_PER_PAGE } from './questions.ts'
import type { RegionBook } from './region-book.ts'
import { absentSurvey, Surveyor } from './surveyor.ts'
import { planViewOf, viewOf } from './views.ts'

/** A cache that has not answered after so long is passed over; what is asked may make it ask origins and other regions. */
const ASK_TIMEOUT_MS = 20_000
const MAX_LIST_BYTES = 3 * 1024 * 1024
/** Jobs named in an error. */
const MAX_NAMED = 16

export interface CoordinatorDeps {
  readonly logger: Logger
  readonly swarm: Pick<Swarm, 'self'>
  readonly tier: Tier
  readonly post: Post
  readonly planner: Planner
  readonly store: BlobStore
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
  /** Undefined where only others coordinate. */
  readonly desk: Desk | undefined
  readonly regions: RegionBook
  readonly orders: Orders
}

/** Questions that go up to the caches which coordinate. */
type UpName = Exclude<QuestionName, 'survey' | 'need'>

/**
 * Finds the caches that coordinate a job, and is one of them: a question goes from a host to its region's caches, from
 * there to the region above while there is one, and is answered where there is none.
 */
export class Coordinator implements PrewarmService {
  readonly #deps: CoordinatorDeps

  constructor(deps: CoordinatorDeps) {
    this.#deps = deps
  }

  async submit(order: Order, signal: AbortSignal): Promise<PrewarmView> {
    const { id, spec } = this.#deps.orders.check(order, 'prewarm')
    return this.#up({ name: 'submit', ask: { id, spec, order }, hops: 0 }, id, signal)
  }

  plan(spec: PrewarmSpec, signal: AbortSignal): Promise<PrewarmPlanView> {
    return this.#up({ name: 'plan', ask: { spec }, hops: 0 }, imagesKey(spec), signal)
  }

  list(signal: AbortSignal): Promise<readonly PrewarmView[]> {
    return this.#up({ name: 'list', ask: {}, hops: 0 }, 'list', signal)
  }

  show(id: string, signal: AbortSignal): Promise<PrewarmView> {
    return this.#up({ name: 'show', ask: { id }, hops: 0 }, id, signal)
  }

  async hosts(id: string, signal: AbortSignal): Promise<readonly HostView[]> {
    const { regions } = await this.show(id, signal)
    const all: HostView[] = []
    for (const { region } of regions) {
      for (let [first, more] = [0, true]; more; ) {
        const page = await this.#up({ name: 'hosts', ask: { id, region, first }, hops: 0 }, id, signal)
        all.push(...page.hosts)
        first += page.hosts.length
        more = page.more && page.hosts.length > 0
      }
    }
    return all
  }

  async edit(order: Order, signal: AbortSignal): Promise<PrewarmView> {
    const { id, patch } = this.#deps.orders.check(order, 'edit')
    return this.#up({ name: 'edit', ask: { id, patch, order }, hops: 0 }, id, signal)
  }

  /** A question that reached this cache: answered here, or by the region above. */
  async answer(question: Question, signal: AbortSignal): Promise<Answer<QuestionName>> {
    const { name, ask, hops } = question
    switch (name) {
      case 'submit':
        return this.#submit(question, signal)
      case 'plan':
        return (await this.#above(question, imagesKey(ask.spec), signal))?.value ?? this.#plan(ask, signal)
      case 'list':
        return this.#list(hops, signal)
      case 'show':
        return this.#where(question, signal, async (row) => this.#view(row))
      case 'edit':
        return this.#edit(question, signal)
      case 'hosts':
        return this.#where(question, signal, () => this.hostsHere(ask, hops, signal))
      case 'survey':
      case 'need':
        throw new ShoalError('UNAVAILABLE', 'this host was asked by one that may not ask it')
    }
  }

  /** What this region and those below it could do for a plan. */
  async surveyHere(ask: Ask<'survey'>, hops: number, signal: AbortSignal): Promise<RegionSurvey[]> {
    const { regions, swarm } = this.#deps
    const isWanted = (region: string): boolean => ask.spec.regions.length === 0 || ask.spec.regions.includes(region)
    const own = isWanted(swarm.self.region) ? [await this.#surveyor().survey(ask, hops, signal)] : []
    const below = (await this.#down({ name: 'survey', ask, hops }, 'survey', signal)).flat()
    const there = [...own, ...below].filter(({ absent }) => !absent)
    for (const { region } of below) if (there.some((one) => one.region === region)) regions.note(region)
    const missed = [...regions.names(), ...below.map(({ region }) => region)].filter(isWanted).map(absentSurvey)
    // a region that answers one of those above it is there
    return [...new Map([...missed, ...there].map((survey) => [survey.region, survey])).values()]
  }

  /** A page of one region's hosts: this one's, or of one below. */
  async hostsHere(ask: Ask<'hosts'>, hops: number, signal: AbortSignal): Promise<Answer<'hosts'>> {
    const { id, region, first } = ask
    if (region === this.#deps.swarm.self.region) {
      const hosts = this.#desk().hostViews(id, first, HOSTS_PER_PAGE)
      return { hosts, more: hosts.length === HOSTS_PER_PAGE }
    }
    const below = await this.#down({ name: 'hosts', ask, hops }, id, signal, region)
    return below.find(({ hosts }) => hosts.length > 0) ?? { hosts: [], more: false }
  }

  #surveyor(): Surveyor {
    return new Surveyor({ ...this.#deps, roll: this.#desk().roll })
  }

  #desk(): Desk {
    const { desk } = this.#deps
    if (desk === undefined) throw new ShoalError('UNAVAILABLE', 'this host is no cache')
    return desk
  }

  /** Asks the region's caches, best first for `key`; this host answers in its turn where it is one. */
  async #up<N extends UpName>(question: QuestionOf<N>, key: string, signal: AbortSignal): Promise<Answer<N>> {
    const homes = this.#deps.tier.homes(homeKeyOf(key))
    const self = this.#deps.desk === undefined ? -1 : homes.findIndex(({ kind }) => kind === 'self')
    const before = self < 0 ? homes : homes.slice(0, self)
    const links = before.flatMap((home) => (home.kind === 'link' && home.link.peer.role === 'cache' ? home.link : []))
    const answer = await this.#first(links, question, signal).catch((error: unknown) => {
      if (self < 0 || !isShoalError(error, 'UNAVAILABLE')) throw error
      return undefined
    })
    if (answer !== undefined) return answer.value
    if (self < 0) throw unanswered([this.#deps.swarm.self.region])
    // a question of one name is one of them all, and so is its answer
    return (await this.answer(question as unknown as Question, signal)) as Answer<N>
  }

  /** What the region above says; undefined where there is none that can be asked. */
  #above<N extends UpName>(
    question: QuestionOf<N>,
    key: string,
    signal: AbortSignal,
  ): Promise<{ readonly value: Answer<N> } | undefined> {
    return this.#first(this.#deps.tier.parents(homeKeyOf(key)), question, signal)
  }

  /** Done where the job is coordinated: here, or above. */
  async #where<N extends 'show' | 'edit' | 'hosts'>(
    question: QuestionOf<N>,
    signal: AbortSignal,
    here: (row: JobRow) => Promise<Answer<N>>,
  ): Promise<Answer<N>> {
    const { id } = question.ask
    const row = this.#desk().book.get(id)
    if (row?.root === this.#deps.swarm.self.region) return here(row)
    const above = await this.#above(question, id, signal)
    if (above !== undefined) return above.value
    const missed = row === undefined ? this.#deps.tier.parentRegions : [row.root]
    if (missed.length > 0) throw unanswered(missed)
    throw new ShoalError('PREWARM_UNKNOWN', `there is no prewarm job ${id}`)
  }

  /** The first answer; undefined when there is nobody to ask. What a cache refuses is an answer, too. Throws `UNAVAILABLE`. */
  async #first<N extends QuestionName>(
    links: readonly PeerLink[],
    question: QuestionOf<N>,
    signal: AbortSignal,
  ): Promise<{ readonly value: Answer<N> } | undefined> {
    let failure: unknown
    for (const link of links) {
      try {
        const limit = AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)])
        return { value: await this.#deps.post.ask(link, question, limit) }
      } catch (error) {
        signal.throwIfAborted()
        if (isShoalError(error, 'PREWARM_INVALID', 'PREWARM_IMPOSSIBLE', 'PREWARM_UNKNOWN', 'ORDER_REQUIRED'))
          throw error
        failure = error
        const fields = { peer: link.peer.key, question: question.name, err: errorText(error) }
        this.#deps.logger.debug(fields, 'a cache gave no answer')
      }
    }
    if (failure === undefined) return undefined
    // what a cache says of those above it is the whole story
    if (isShoalError(failure, 'UNAVAILABLE')) throw failure
    throw unanswered([...new Set(links.map(({ peer }) => peer.region))], failure)
  }

  /** Linked caches of regions below this one, best first for `key`, by region. */
  #below(key: string): Map<string, PeerLink[]> {
    const { post, tier, swarm } = this.#deps
    const links = post.caches(({ region }) => region !== swarm.self.region && !tier.isParentRegion(region))
    const regions = Map.groupBy(links, ({ peer }) => peer.region)
    return new Map([...regions].map(([region, some]) => [region, tier.ranked(key, some)]))
  }

  /** Asks one cache of each region below, or of `region` if that is one; regions that do not answer are left out. */
  async #down<N extends 'survey' | 'hosts'>(
    question: QuestionOf<N>,
    key: string,
    signal: AbortSignal,
    region?: string,
  ): Promise<Answer<N>[]> {
    const below = this.#below(homeKeyOf(key))
    const direct = region === undefined ? undefined : below.get(region)
    const regions = direct === undefined ? [...below.values()] : [direct]
    const answers = await Promise.allSettled(regions.map((links) => this.#first(links, question, signal)))
    signal.throwIfAborted()
    return answers.flatMap((answer) =>
      answer.status === 'fulfilled' && answer.value !== undefined ? [answer.value.value] : [],
    )
  }

  /** Whoever passes an order on has looked at it. */
  async #submit(question: QuestionOf<'submit'>, signal: AbortSignal): Promise<PrewarmView> {
    const ordered = this.#deps.orders.check(question.ask.order, 'prewarm')
    refuseOther(question.ask.id, ordered)
    return (await this.#above(question, ordered.id, signal))?.value ?? this.#begin(ordered, signal)
  }

  /** The job is the order's, not what stands beside it for versions that know no orders. */
  async #begin({ id, spec, order, issuedEpochMs }: JobOrderOf<'prewarm'>, signal: AbortSignal): Promise<PrewarmView> {
    const desk = this.#desk()
    const known = desk.book.get(id)
    if (known !== undefined) return this.#view(sameJob(known, spec))
    if (desk.book.all().filter(({ state }) => !isFinal(state)).length >= MAX_LIVE_JOBS) {
      throw impossible(`${MAX_LIVE_JOBS} jobs run or are paused already; cancel some, see "shoal prewarm list"`)
    }
    const { plan, surveys, absent } = await this.#prepare(spec, false, signal)
    // somebody may have been faster while the images were looked up
    const root = this.#deps.swarm.self.region
    const { now } = this.#deps
    const faster = desk.book.get(id)
    const row =
      faster === undefined
        ? createJob({ id, root, spec, plan, order, orderedEpochMs: issuedEpochMs, surveys, absent }, now())
        : sameJob(faster, spec)
    if (faster === undefined) refuseTooLarge(row, plan, (one) => desk.hasRoom(one))
    await desk.accept(row, plan)
    this.#deps.logger.info({ job: id, images: spec.images.length, bytes: plan.bytes }, 'a prewarm job has begun')
    return this.#view(row)
  }

  async #plan({ spec }: Ask<'plan'>, signal: AbortSignal): Promise<PrewarmPlanView> {
    const { plan, surveys, absent } = await this.#prepare(spec, true, signal)
    // all that comes from origins comes through this region
    const here = await this.#surveyor().missingBytes(plan, 0, signal)
    return planViewOf({ spec, plan, regions: surveys, absent, missingHereBytes: here })
  }

  /** Everything that can be known before anything moves; throws when the job could not do what it is asked. */
  async #prepare(
    spec: PrewarmSpec,
    counts: boolean,
    signal: AbortSignal,
  ): Promise<{ plan: Plan; surveys: RegionSurvey[]; absent: string[] }> {
    const plan = await this.#deps.planner.plan(spec, signal)
    const heard = await this.surveyHere({ spec, plan, counts }, 0, signal)
    const surveys = heard.filter((survey) => !survey.absent)
    const absent = this.#absent(spec, heard)
    const matching = surveys.reduce((sum, survey) => sum + survey.matching, 0)
    const hosts = surveys.reduce((sum, survey) => sum + survey.hosts, 0)
    if (matching === 0 && spec.joinMs === 0) {
      throw impossible(hosts === 0 ? 'no host is linked to the caches' : `none of the ${hosts} hosts matches --select`)
    }
    const withoutRoom = surveys.reduce((sum, survey) => sum + survey.withoutRoom, 0)
    if (matching > 0 && withoutRoom === matching) {
      throw impossible(`none of the ${matching} hosts has room for the ${plan.bytes} bytes this needs`)
    }
    refuseTooFew(spec.maxHosts, surveys.filter((survey) => survey.matching > 0).length)
    return { plan, surveys, absent }
  }

  /** Regions that are to take part and do not answer. Throws when they were named. */
  #absent(spec: PrewarmSpec, heard: readonly RegionSurvey[]): string[] {
    const { regions, swarm, tier } = this.#deps
    const there = heard.filter((survey) => !survey.absent).map(({ region }) => region)
    const above = tier.parentRegions
    const known = [...new Set([swarm.self.region, ...above, ...heard.map(({ region }) => region), ...regions.names()])]
    const strange = spec.regions.filter((region) => !known.includes(region))
    if (strange.length > 0) {
      throw impossible(`no cache of region ${strange.join(', ')} is known here; known: ${known.join(', ')}`)
    }
    const named = spec.regions.filter((region) => !there.includes(region))
    if (named.length > 0) throw impossible(`no cache of region ${named.join(', ')} answers, and it was to take part`)
    if (spec.regions.length > 0) return []
    // this region coordinates: none of those above it could be asked
    return [...new Set([...above, ...heard.filter((survey) => survey.absent).map(({ region }) => region)])]
  }

  async #list(hops: number, signal: AbortSignal): Promise<readonly PrewarmView[]> {
    const { region } = this.#deps.swarm.self
    const rows = this.#desk().book.all()
    const above = await this.#above({ name: 'list', ask: {}, hops }, 'list', signal)
    const missed = this.#deps.tier.parentRegions
    if (above === undefined && missed.length > 0) {
      const ids = rows.map(({ id }) => id).sort()
      const known = ids.length === 0 ? '' : `; jobs known here: ${ids.slice(-MAX_NAMED).join(', ')}`
      throw unanswered(missed, undefined, `, and there the fleet's jobs are kept${known}`)
    }
    const own = rows.filter(({ root }) => root === region)
    const views = new Map(
      [...own.map((row) => this.#view(row)), ...(above?.value ?? [])].map((view) => [view.id, view]),
    )
    return newestThatFit([...views.values()].sort((a, b) => b.createdEpochMs - a.createdEpochMs))
  }

  async #edit(question: QuestionOf<'edit'>, signal: AbortSignal): Promise<PrewarmView> {
    const ordered = this.#deps.orders.check(question.ask.order, 'edit')
    refuseOther(question.ask.id, ordered)
    return this.#where(question, signal, (row) => this.#change(row, ordered))
  }

  async #change(row: JobRow, { patch, order, issuedEpochMs }: JobOrderOf<'edit'>): Promise<PrewarmView> {
    // asked twice
    if (issuedEpochMs === row.orderedEpochMs) return this.#view(row)
    if (issuedEpochMs < row.orderedEpochMs) {
      throw impossible(`job ${row.id} has obeyed a later order than this one; look at it and try again`)
    }
    const changed = patchJob(row, patch, this.#deps.now())
    const next = { ...changed, orders: withOrder(row.orders, order), orderedEpochMs: issuedEpochMs }
    const tallies = [...this.#desk().tallies(row.id).values()]
    if (patch.maxHosts !== undefined) {
      refuseTooFew(patch.maxHosts, tallies.filter(({ selected }) => selected > 0).length)
    }
    await this.#desk().accept(next)
    return this.#view(next)
  }

  #view(row: JobRow): PrewarmView {
    const desk = this.#desk()
    return viewOf(row, desk.tallies(row.id), desk.bytesPerSec(row.id), this.#deps.now())
  }
}

/** The list goes in one message; the oldest jobs are left out when it would not fit. */
function newestThatFit(views: readonly PrewarmView[]): PrewarmView[] {
  let left = MAX_LIST_BYTES
  return views.filter((view) => {
    left -= JSON.stringify(view).length
    return left > 0
  })
}

/** What a region's caches are ranked by for a plan, which has no id. */
function imagesKey({ images }: PrewarmSpec): string {
  return images.join(' ')
}
