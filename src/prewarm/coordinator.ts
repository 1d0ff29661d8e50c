import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { BlobStore } from '../store/index.ts'
import type { PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Desk } from './desk.ts'
import { homeKeyOf } from './desk.ts'
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
import { createJob, patchJob } from './job.ts'
import { needOf } from './need.ts'
import type { Planner } from './planner.ts'
import type { Post } from './post.ts'
import type { Answer, Ask, Question, QuestionName, Questions } from './questions.ts'
import { planViewOf, viewOf } from './views.ts'

/** A cache that is asked for less than this and says nothing is passed over. */
const ASK_TIMEOUT_MS = 20_000
const NEED_TIMEOUT_MS = 3_000
/** Hosts whose room may not do are asked themselves, so many of them. */
const MAX_ASKED = 512
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
}

/** Questions that go up to the caches which coordinate. */
type UpName = Extract<QuestionName, 'submit' | 'plan' | 'list' | 'show' | 'edit' | 'hosts'>

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
    return this.#up('submit', { id, spec }, id, signal)
  }

  plan(spec: PrewarmSpec, signal: AbortSignal): Promise<PrewarmPlanView> {
    return this.#up('plan', { spec }, spec.images.join(' '), signal)
  }

  list(signal: AbortSignal): Promise<readonly PrewarmView[]> {
    return this.#up('list', {}, 'list', signal)
  }

  show(id: string, signal: AbortSignal): Promise<PrewarmView> {
    return this.#up('show', { id }, id, signal)
  }

  hosts(id: string, signal: AbortSignal): Promise<readonly HostView[]> {
    return this.#up('hosts', { id }, id, signal)
  }

  edit(id: string, patch: PrewarmPatch, signal: AbortSignal): Promise<PrewarmView> {
    return this.#up('edit', { id, patch }, id, signal)
  }

  /** A question that reached this cache: answered here, or by the region above. */
  async answer(question: Question, signal: AbortSignal): Promise<Answer<QuestionName>> {
    const { name, hops } = question
    switch (name) {
      case 'submit':
        return this.#atRoot(name, question.ask, question.ask.id, hops, signal, () => this.#submit(question.ask, signal))
      case 'plan':
        return this.#atRoot(name, question.ask, question.ask.spec.images.join(' '), hops, signal, () =>
          this.#plan(question.ask, signal),
        )
      case 'list':
        return this.#list(hops, signal)
      case 'show':
        return this.#where(name, question.ask, question.ask.id, hops, signal, async (row) => this.#view(row))
      case 'edit':
        return this.#where(name, question.ask, question.ask.id, hops, signal, (row) =>
          this.#edit(row, question.ask.patch),
        )
      case 'hosts':
        return this.#where(name, question.ask, question.ask.id, hops, signal, (row) =>
          this.hostsHere(row.id, hops, signal),
        )
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
    const below = await this.#down('survey', { spec, plan }, 'survey', hops, signal)
    const byRegion = new Map([...own, ...below.flat()].map((survey) => [survey.region, survey]))
    return [...byRegion.values()]
  }

  async hostsHere(id: string, hops: number, signal: AbortSignal): Promise<HostView[]> {
    const below = await this.#down('hosts', { id }, id, hops, signal)
    return [...this.#desk().hostViews(id), ...below.flat()]
  }

  #desk(): Desk {
    const { desk } = this.#deps
    if (desk === undefined) throw new ShoalError('UNAVAILABLE', 'this host is no cache')
    return desk
  }

  /** Asks the region's caches, best first for `key`; this host answers itself where it is one. */
  async #up<N extends UpName>(name: N, ask: Ask<N>, key: string, signal: AbortSignal): Promise<Answer<N>> {
    // the pair belongs together by this method's own type
    const question = { name, ask, hops: 0 } as unknown as Question
    if (this.#deps.desk !== undefined) return (await this.answer(question, signal)) as Answer<N>
    const links = this.#deps.tier
      .homes(homeKeyOf(key))
      .flatMap((home) => (home.kind === 'link' && home.link.peer.role === 'cache' ? home.link : []))
    const answer = await this.#first(links, name, ask, 0, signal)
    if (answer === undefined) throw new ShoalError('UNAVAILABLE', 'no cache of this region answers; try again')
    return answer.value
  }

  /** Done by the region above, or here where there is none that answers. */
  async #atRoot<N extends UpName>(
    name: N,
    ask: Ask<N>,
    key: string,
    hops: number,
    signal: AbortSignal,
    here: () => Promise<Answer<N>>,
  ): Promise<Answer<N>> {
    const above = await this.#first(this.#deps.tier.parents(homeKeyOf(key)), name, ask, hops, signal)
    return above === undefined ? here() : above.value
  }

  /** Done where the job is coordinated: here, or above. */
  async #where<N extends 'show' | 'edit' | 'hosts'>(
    name: N,
    ask: Ask<N>,
    id: string,
    hops: number,
    signal: AbortSignal,
    here: (row: JobRow) => Promise<Answer<N>>,
  ): Promise<Answer<N>> {
    const row = this.#desk().book.get(id)
    if (row?.root === this.#deps.swarm.self.region) return here(row)
    const above = await this.#first(this.#deps.tier.parents(homeKeyOf(id)), name, ask, hops, signal)
    if (above !== undefined) return above.value
    if (row !== undefined) throw new ShoalError('UNAVAILABLE', `no cache of region ${row.root} answers; try again`)
    throw new ShoalError('PREWARM_UNKNOWN', `there is no prewarm job ${id}`)
  }

  /** The first answer; undefined when there is nobody to ask. What a cache refuses is an answer, too. Throws `UNAVAILABLE`. */
  async #first<N extends QuestionName>(
    links: readonly PeerLink[],
    name: N,
    ask: Ask<N>,
    hops: number,
    signal: AbortSignal,
  ): Promise<{ readonly value: Answer<N> } | undefined> {
    let failure: unknown
    for (const link of links) {
      try {
        const limit = AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)])
        return { value: await this.#deps.post.ask(link, name, ask, hops, limit) }
      } catch (error) {
        signal.throwIfAborted()
        const isRefusal = isShoalError(error, 'PREWARM_INVALID', 'PREWARM_IMPOSSIBLE', 'PREWARM_UNKNOWN')
        if (isRefusal || isShoalError(error, 'REFERENCE_INVALID')) throw error
        failure = error
        this.#deps.logger.debug(
          { peer: link.peer.key, question: name, err: errorText(error) },
          'a cache gave no answer',
        )
      }
    }
    if (failure === undefined) return undefined
    throw new ShoalError('UNAVAILABLE', `no cache answers (${errorText(failure)}); try again`, { cause: failure })
  }

  /** Asks one cache of each region below; regions that do not answer are left out. */
  async #down<N extends 'survey' | 'hosts'>(
    name: N,
    ask: Ask<N>,
    key: string,
    hops: number,
    signal: AbortSignal,
  ): Promise<Answer<N>[]> {
    const regions = [...this.#desk().below(homeKeyOf(key)).values()]
    const answers = await Promise.allSettled(regions.map((links) => this.#first(links, name, ask, hops, signal)))
    signal.throwIfAborted()
    return answers.flatMap((answer) =>
      answer.status === 'fulfilled' && answer.value !== undefined ? [answer.value.value] : [],
    )
  }

  async #submit({ id, spec }: Ask<'submit'>, signal: AbortSignal): Promise<PrewarmView> {
    const desk = this.#desk()
    const known = desk.book.get(id)
    if (known !== undefined) return this.#view(known)
    const { plan, surveys } = await this.#prepare(spec, signal)
    // somebody may have been faster while the images were looked up
    const row = desk.book.get(id) ?? createJob(this.#newJob(id, spec, plan, surveys), this.#deps.now())
    await desk.accept(row)
    this.#deps.logger.info({ job: id, images: spec.images.length, bytes: plan.bytes }, 'a prewarm job has begun')
    return this.#view(row)
  }

  #newJob(
    id: string,
    spec: PrewarmSpec,
    plan: Plan,
    surveys: readonly RegionSurvey[],
  ): Parameters<typeof createJob>[0] {
    return { id, root: this.#deps.swarm.self.region, spec, plan, surveys }
  }

  async #plan({ spec }: Questions['plan']['ask'], signal: AbortSignal): Promise<PrewarmPlanView> {
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
      return await post.ask(link, 'need', { plan }, hops, limit)
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
    const asking = this.#first(this.#deps.tier.parents('list'), 'list', {}, hops, signal)
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

function impossible(message: string): ShoalError {
  return new ShoalError('PREWARM_IMPOSSIBLE', message)
}
