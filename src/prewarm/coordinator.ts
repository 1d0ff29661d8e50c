import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { BlobStore } from '../store/index.ts'
import type { PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Desk } from './desk.ts'
import type {
  HostView,
  JobRow,
  Plan,
  PrewarmPatch,
  PrewarmPlanView,
  PrewarmService,
  PrewarmSpec,
  PrewarmView,
  RegionSurvey,
} from './interface.ts'
import { createJob, homeKeyOf, isFinal, patchJob } from './job.ts'
import { needOf } from './need.ts'
import type { Planner } from './planner.ts'
import type { Post } from './post.ts'
import type { Answer, Ask, Question, QuestionName, QuestionOf } from './questions.ts'
import { HOSTS_PER_PAGE } from './questions.ts'
import { planViewOf, viewOf } from './views.ts'

/** A cache that has not answered after so long is passed over; what is asked may make it ask origins and other regions. */
const ASK_TIMEOUT_MS = 20_000
const NEED_TIMEOUT_MS = 3_000
/** Hosts whose room may not do are asked what they have already, so many of them; of more it is taken to be nothing. */
const MAX_ASKED = 512
const MAX_NAMED = 16
/** Each is kept by every cache, with its plan and its hosts. */
const MAX_LIVE_JOBS = 256

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

  submit(id: string, spec: PrewarmSpec, signal: AbortSignal): Promise<PrewarmView> {
    return this.#up({ name: 'submit', ask: { id, spec }, hops: 0 }, id, signal)
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

  edit(id: string, patch: PrewarmPatch, signal: AbortSignal): Promise<PrewarmView> {
    return this.#up({ name: 'edit', ask: { id, patch }, hops: 0 }, id, signal)
  }

  /** A question that reached this cache: answered here, or by the region above. */
  async answer(question: Question, signal: AbortSignal): Promise<Answer<QuestionName>> {
    const { name, ask, hops } = question
    switch (name) {
      case 'submit':
        return (await this.#above(question, ask.id, signal))?.value ?? this.#submit(ask, signal)
      case 'plan':
        return (await this.#above(question, imagesKey(ask.spec), signal))?.value ?? this.#plan(ask, signal)
      case 'list':
        return this.#list(hops, signal)
      case 'show':
        return this.#where(question, signal, async (row) => this.#view(row))
      case 'edit':
        return this.#where(question, signal, (row) => this.#edit(row, ask.patch))
      case 'hosts':
        return this.#where(question, signal, () => this.hostsHere(ask, hops, signal))
      case 'survey':
      case 'need':
        throw new ShoalError('UNAVAILABLE', 'this host was asked by one that may not ask it')
    }
  }

  /** What this region and those below it could do for a plan. */
  async surveyHere({ spec, plan }: Ask<'survey'>, hops: number, signal: AbortSignal): Promise<RegionSurvey[]> {
    const { region } = this.#deps.swarm.self
    const wanted = spec.regions.length === 0 || spec.regions.includes(region)
    const own = wanted ? [await this.#surveyOwn(spec, plan, hops, signal)] : []
    const below = await this.#down({ name: 'survey', ask: { spec, plan }, hops }, 'survey', signal)
    const byRegion = new Map([...own, ...below.flat()].map((survey) => [survey.region, survey]))
    return [...byRegion.values()]
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
    if (self < 0) throw new ShoalError('UNAVAILABLE', 'no cache of this region answers; try again')
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
    if (row !== undefined) throw new ShoalError('UNAVAILABLE', `no cache of region ${row.root} answers; try again`)
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
        if (isShoalError(error, 'PREWARM_INVALID', 'PREWARM_IMPOSSIBLE', 'PREWARM_UNKNOWN')) throw error
        failure = error
        const fields = { peer: link.peer.key, question: question.name, err: errorText(error) }
        this.#deps.logger.debug(fields, 'a cache gave no answer')
      }
    }
    if (failure === undefined) return undefined
    throw new ShoalError('UNAVAILABLE', `no cache answers (${errorText(failure)}); try again`, { cause: failure })
  }

  /** Asks one cache of each region below, or of `region` if that is one; regions that do not answer are left out. */
  async #down<N extends 'survey' | 'hosts'>(
    question: QuestionOf<N>,
    key: string,
    signal: AbortSignal,
    region?: string,
  ): Promise<Answer<N>[]> {
    const below = this.#desk().below(homeKeyOf(key))
    const direct = region === undefined ? undefined : below.get(region)
    const regions = direct === undefined ? [...below.values()] : [direct]
    const answers = await Promise.allSettled(regions.map((links) => this.#first(links, question, signal)))
    signal.throwIfAborted()
    return answers.flatMap((answer) =>
      answer.status === 'fulfilled' && answer.value !== undefined ? [answer.value.value] : [],
    )
  }

  async #submit({ id, spec }: Ask<'submit'>, signal: AbortSignal): Promise<PrewarmView> {
    const desk = this.#desk()
    const known = desk.book.get(id)
    if (known !== undefined) return this.#view(known)
    if (desk.book.all().filter(({ state }) => !isFinal(state)).length >= MAX_LIVE_JOBS) {
      throw impossible(`${MAX_LIVE_JOBS} jobs run or are paused already; cancel some, see "shoal prewarm list"`)
    }
    const { plan, surveys } = await this.#prepare(spec, signal)
    // somebody may have been faster while the images were looked up
    const root = this.#deps.swarm.self.region
    const row = desk.book.get(id) ?? createJob({ id, root, spec, plan, surveys }, this.#deps.now())
    await desk.accept(row)
    this.#deps.logger.info({ job: id, images: spec.images.length, bytes: plan.bytes }, 'a prewarm job has begun')
    return this.#view(row)
  }

  async #plan({ spec }: Ask<'plan'>, signal: AbortSignal): Promise<PrewarmPlanView> {
    const { plan, surveys } = await this.#prepare(spec, signal)
    return planViewOf(spec, plan, surveys)
  }

  /** Everything that can be known before anything moves; throws when the job could not do what it is asked. */
  async #prepare(spec: PrewarmSpec, signal: AbortSignal): Promise<{ plan: Plan; surveys: RegionSurvey[] }> {
    const plan = await this.#deps.planner.plan(spec, signal)
    const surveys = await this.surveyHere({ spec, plan }, 0, signal)
    const known = surveys.map(({ region }) => region)
    const absent = spec.regions.filter((region) => !known.includes(region))
    if (absent.length > 0) {
      throw impossible(
        `no cache of region ${absent.join(', ')} is known here${known.length > 0 ? `; known: ${known.join(', ')}` : ''}`,
      )
    }
    const matching = surveys.reduce((sum, survey) => sum + survey.matching, 0)
    const hosts = surveys.reduce((sum, survey) => sum + survey.hosts, 0)
    if (matching === 0 && spec.joinMs === 0) {
      throw impossible(hosts === 0 ? 'no host is linked to the caches' : `none of the ${hosts} hosts matches --select`)
    }
    const withoutRoom = surveys.reduce((sum, survey) => sum + survey.withoutRoom, 0)
    if (matching > 0 && withoutRoom === matching) {
      throw impossible(`none of the ${matching} hosts has room for the ${plan.bytes} bytes this needs`)
    }
    return { plan, surveys }
  }

  async #surveyOwn(spec: PrewarmSpec, plan: Plan, hops: number, signal: AbortSignal): Promise<RegionSurvey> {
    const { roll } = this.#desk()
    const { region } = this.#deps.swarm.self
    const matching = roll.matching(spec)
    const tight = matching.filter(({ facts }) => facts.freeBytes < plan.bytes)
    const roomless: string[] = []
    await Promise.all(
      tight.map(async ({ key, name, facts }, i) => {
        const isSelf = key === this.#deps.swarm.self.key
        const asked = isSelf || i >= MAX_ASKED ? undefined : await this.#need(key, plan, hops, signal)
        const need = isSelf ? { ...needOf(plan, this.#deps.store), freeBytes: facts.freeBytes } : asked
        if (need === undefined || need.missingBytes > need.freeBytes) roomless.push(name)
      }),
    )
    return {
      ...{ region, hosts: roll.size, matching: matching.length, withoutRoom: roomless.length },
      roomless: roomless.slice(0, MAX_NAMED),
      missingBytes: await this.#missingBytes(plan, hops, signal),
    }
  }

  /** What none of the region's caches has. */
  async #missingBytes(plan: Plan, hops: number, signal: AbortSignal): Promise<number> {
    const { post, store, swarm } = this.#deps
    const others = post.caches(({ region }) => region === swarm.self.region)
    const needs = await Promise.all(others.map(({ peer }) => this.#need(peer.key, plan, hops, signal)))
    const all = [needOf(plan, store).missing, ...needs.flatMap((need) => need?.missing ?? [])]
    return plan.blobs.reduce((sum, { size }, i) => {
      const isMissing = all.every((missing) => ((missing[i >> 3] ?? 0) >> (i & 7)) & 1)
      return isMissing ? sum + size : sum
    }, 0)
  }

  async #need(key: string, plan: Plan, hops: number, signal: AbortSignal): Promise<Answer<'need'> | undefined> {
    const { post } = this.#deps
    const link = post.linkTo(key)
    if (link === undefined) return undefined
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(NEED_TIMEOUT_MS)])
      return await post.ask(link, { name: 'need', ask: { plan }, hops }, limit)
    } catch {
      signal.throwIfAborted()
      return undefined
    }
  }

  async #list(hops: number, signal: AbortSignal): Promise<readonly PrewarmView[]> {
    const { region } = this.#deps.swarm.self
    const own = this.#desk()
      .book.all()
      .filter(({ root }) => root === region)
    const asking = this.#above({ name: 'list', ask: {}, hops }, 'list', signal)
    // what this region coordinates itself can be told all the same
    const above = await asking.catch(() => undefined)
    const views = new Map(
      [...own.map((row) => this.#view(row)), ...(above?.value ?? [])].map((view) => [view.id, view]),
    )
    return [...views.values()].sort((a, b) => b.createdEpochMs - a.createdEpochMs)
  }

  async #edit(row: JobRow, patch: PrewarmPatch): Promise<PrewarmView> {
    const next = patchJob(row, patch, this.#deps.now())
    await this.#desk().accept(next)
    return this.#view(next)
  }

  #view(row: JobRow): PrewarmView {
    const desk = this.#desk()
    return viewOf(row, desk.tallies(row.id), desk.bytesPerSec(row.id), this.#deps.now())
  }
}

/** What a region's caches are ranked by for a plan, which has no id. */
function imagesKey({ images }: PrewarmSpec): string {
  return images.join(' ')
}

function impossible(message: string): ShoalError {
  return new ShoalError('PREWARM_IMPOSSIBLE', message)
}
