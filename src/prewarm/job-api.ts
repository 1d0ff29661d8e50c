import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Call, Ordered, Responders, ResponseTo } from '../orders/index.ts'
import { impossible, unanswered } from '../orders/index.ts'
import type { BlobStore } from '../store/index.ts'
import type { PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import { absentCapacity, CapacityProbe } from './capacity-probe.ts'
import type {
  JobRow,
  Plan,
  PrewarmPatch,
  PrewarmPlanView,
  PrewarmSpec,
  PrewarmView,
  RegionCapacity,
} from './interface.ts'
import { createJob, imagesKey, isFinal, patchJob } from './job.ts'
import type { JobController } from './job-controller.ts'
import { withOrder } from './job-orders.ts'
import { refuseTooFew, refuseTooLarge, sameJob } from './job-refusals.ts'
import { MAX_LIVE_JOBS } from './job-store.ts'
import type { Planner } from './planner.ts'
import type { RegionStore } from './region-store.ts'
import type { PrewarmMessenger, PrewarmRequests, PrewarmRoutes } from './requests.ts'
import { HOSTS_PER_PAGE } from './requests.ts'
import { scheduleResponders } from './schedule-responders.ts'
import type { Schedules } from './schedules.ts'
import { planViewOf, viewOf } from './views.ts'

/** What a host without jobs of its own responds to as well is not among them. */
type ApiName = Exclude<keyof PrewarmRequests, 'need'>

const MAX_LIST_BYTES = 3 * 1024 * 1024
/** Jobs named in an error. */
const MAX_NAMED = 16

const MAX_PLANS = 8
const MAX_PLANS_OF_A_HOST = 2

interface JobApiDeps {
  readonly logger: Logger
  readonly swarm: Pick<Swarm, 'self'>
  readonly tier: Tier
  readonly messenger: PrewarmMessenger
  readonly routes: PrewarmRoutes
  readonly planner: Planner
  readonly store: BlobStore
  readonly clock: Pick<Clock, 'wall'>
  readonly controller: JobController
  readonly regions: RegionStore
  readonly schedules: Schedules
}

/**
 * Responds to requests about jobs on a cache: passes them to the region above while there is one, and does what they ask
 * where there is none.
 */
export class JobApi {
  readonly #deps: JobApiDeps
  readonly #capacity: CapacityProbe
  /** For whom plans are being made. */
  readonly #planning: string[] = []

  constructor(deps: JobApiDeps) {
    this.#deps = deps
    this.#capacity = new CapacityProbe({ ...deps, inventory: deps.controller.inventory })
  }

  /** What this cache responds to. */
  get responders(): Responders<PrewarmRequests, ApiName> {
    const { routes, schedules } = this.#deps
    return {
      ...scheduleResponders(routes, schedules),
      submit: (call, signal) => this.#submit(call, signal),
      edit: (call, signal) => this.#where(call, signal, (row) => this.#change(row, call.ordered)),
      show: (call, signal) => this.#where(call, signal, async (row) => this.#view(row)),
      list: (call, signal) => this.#list(call, signal),
      plan: (call, signal) => this.#planFor(call, signal),
      hosts: (call, signal) =>
        this.#isFromAbove(call.link)
          ? this.#hostsBelow(call, signal)
          : this.#where(call, signal, () => this.#hostsBelow(call, signal)),
      survey: (call, signal) => {
        if (this.#isFromAbove(call.link)) return this.#capacities(call, signal)
        throw new ShoalError('UNAVAILABLE', 'capacity is for caches of the region above to ask')
      },
    }
  }

  /** Begins the job, or returns the one of its id that has begun already. */
  async #submit(call: Call<PrewarmRequests, 'submit'>, signal: AbortSignal): Promise<PrewarmView> {
    const above = await this.#deps.routes.above(call, call.ask.id, signal)
    return above?.value ?? this.#begin(call.ordered, signal)
  }

  async #list(call: Call<PrewarmRequests, 'list'>, signal: AbortSignal): Promise<readonly PrewarmView[]> {
    const { region } = this.#deps.swarm.self
    const rows = this.#deps.controller.jobStore.all()
    const above = await this.#deps.routes.above(call, 'list', signal)
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

  /** A plan asks origins and hosts, and anybody may want one: few at once, and few of one host. */
  async #planFor(call: Call<PrewarmRequests, 'plan'>, signal: AbortSignal): Promise<PrewarmPlanView> {
    const from = call.link?.peer
    if (from === undefined) return this.#plan(call, signal)
    const own = this.#planning.filter((key) => key === from.key).length
    if (this.#planning.length >= MAX_PLANS || (from.role !== 'cache' && own >= MAX_PLANS_OF_A_HOST)) {
      throw new ShoalError('UNAVAILABLE', 'plans are being made already; try again when they are')
    }
    this.#planning.push(from.key)
    try {
      return await this.#plan(call, signal)
    } finally {
      this.#planning.splice(this.#planning.indexOf(from.key), 1)
    }
  }

  /** What this region and those below it could do for a plan. */
  async #capacities(
    { ask, hops }: Pick<Call<PrewarmRequests, 'survey'>, 'ask' | 'hops'>,
    signal: AbortSignal,
  ): Promise<RegionCapacity[]> {
    const { regions, swarm } = this.#deps
    const isWanted = (region: string): boolean => ask.spec.regions.length === 0 || ask.spec.regions.includes(region)
    const own = isWanted(swarm.self.region) ? [await this.#capacity.measure(ask, hops, signal)] : []
    const below = (await this.#deps.routes.down({ name: 'survey', ask, hops }, 'survey', signal)).flat()
    const there = [...own, ...below].filter(({ absent }) => !absent)
    for (const { region } of below) if (there.some((one) => one.region === region)) regions.note(region)
    const missed = [...regions.names(), ...below.map(({ region }) => region)].filter(isWanted).map(absentCapacity)
    // a region that answers one of those above it is there
    return [...new Map([...missed, ...there].map((one) => [one.region, one])).values()]
  }

  /** A page of one region's hosts: this one's, or of one below. */
  async #hostsBelow(
    { ask, hops }: Call<PrewarmRequests, 'hosts'>,
    signal: AbortSignal,
  ): Promise<ResponseTo<PrewarmRequests, 'hosts'>> {
    const { id, region, first } = ask
    if (region === this.#deps.swarm.self.region) {
      const hosts = this.#deps.controller.hostViews(id, first, HOSTS_PER_PAGE)
      return { hosts, more: hosts.length === HOSTS_PER_PAGE }
    }
    const below = await this.#deps.routes.down({ name: 'hosts', ask, hops }, id, signal, region)
    return below.find(({ hosts }) => hosts.length > 0) ?? { hosts: [], more: false }
  }

  /** Done where the job is coordinated: here, or above. */
  async #where<N extends 'show' | 'edit' | 'hosts'>(
    request: Call<PrewarmRequests, N>,
    signal: AbortSignal,
    here: (row: JobRow) => Promise<ResponseTo<PrewarmRequests, N>>,
  ): Promise<ResponseTo<PrewarmRequests, N>> {
    const { id } = request.ask
    const row = this.#deps.controller.jobStore.get(id)
    if (row?.root === this.#deps.swarm.self.region) return here(row)
    const above = await this.#deps.routes.above(request, id, signal)
    if (above !== undefined) return above.value
    const missed = row === undefined ? this.#deps.tier.parentRegions : [row.root]
    if (missed.length > 0) throw unanswered(missed)
    throw new ShoalError('PREWARM_UNKNOWN', `there is no prewarm job ${id}`)
  }

  /** The job is the order's, not what stands beside it for versions that know no orders. */
  async #begin(ordered: Ordered<PrewarmSpec>, signal: AbortSignal): Promise<PrewarmView> {
    const { id, content: spec, order, issuedEpochMs } = ordered
    const controller = this.#deps.controller
    const known = controller.jobStore.get(id)
    if (known !== undefined) return this.#view(sameJob(known, spec))
    if (controller.jobStore.all().filter(({ state }) => !isFinal(state)).length >= MAX_LIVE_JOBS) {
      throw impossible(`${MAX_LIVE_JOBS} jobs run or are paused already; cancel some, see "shoal prewarm list"`)
    }
    const { plan, capacities, absent } = await this.#prepare(spec, false, signal)
    // somebody may have been faster while the images were looked up
    const root = this.#deps.swarm.self.region
    const { clock } = this.#deps
    const faster = controller.jobStore.get(id)
    const row =
      faster === undefined
        ? createJob({ id, root, spec, plan, order, orderedEpochMs: issuedEpochMs, capacities, absent }, clock.wall())
        : sameJob(faster, spec)
    if (faster === undefined) {
      refuseTooLarge(row, plan, (one) => controller.jobStore.wants(row) && controller.hasRoom(one))
    }
    await controller.accept(row, plan)
    this.#deps.logger.info({ job: id, images: spec.images.length, bytes: plan.bytes }, 'a prewarm job has begun')
    return this.#view(row)
  }

  async #plan(call: Call<PrewarmRequests, 'plan'>, signal: AbortSignal): Promise<PrewarmPlanView> {
    const { spec } = call.ask
    const above = await this.#deps.routes.above(call, imagesKey(spec), signal)
    if (above !== undefined) return above.value
    const { plan, capacities, absent } = await this.#prepare(spec, true, signal)
    // all that comes from origins comes through this region
    const here = await this.#capacity.missingBytes(plan, 0, signal)
    return planViewOf({ spec, plan, regions: capacities, absent, missingHereBytes: here })
  }

  /** Everything that can be known before anything moves; throws when the job could not do what it is asked. */
  async #prepare(
    spec: PrewarmSpec,
    counts: boolean,
    signal: AbortSignal,
  ): Promise<{ plan: Plan; capacities: RegionCapacity[]; absent: string[] }> {
    const plan = await this.#deps.planner.plan(spec, signal)
    const heard = await this.#capacities({ ask: { spec, plan, counts }, hops: 0 }, signal)
    const capacities = heard.filter((one) => !one.absent)
    const absent = this.#absent(spec, heard)
    const matching = capacities.reduce((sum, one) => sum + one.matching, 0)
    const hosts = capacities.reduce((sum, one) => sum + one.hosts, 0)
    if (matching === 0 && spec.joinMs === 0) {
      throw impossible(hosts === 0 ? 'no host is linked to the caches' : `none of the ${hosts} hosts matches --select`)
    }
    const withoutRoom = capacities.reduce((sum, one) => sum + one.withoutRoom, 0)
    if (matching > 0 && withoutRoom === matching) {
      throw impossible(`none of the ${matching} hosts has room for the ${plan.bytes} bytes this needs`)
    }
    refuseTooFew(spec.maxHosts, capacities.filter((one) => one.matching > 0).length)
    return { plan, capacities, absent }
  }

  /** Regions that are to take part and do not answer. Throws when they were named. */
  #absent(spec: PrewarmSpec, heard: readonly RegionCapacity[]): string[] {
    const { regions, swarm, tier } = this.#deps
    const there = heard.filter((one) => !one.absent).map(({ region }) => region)
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
    return [...new Set([...above, ...heard.filter((one) => one.absent).map(({ region }) => region)])]
  }

  async #change(row: JobRow, ordered: Ordered<PrewarmPatch>): Promise<PrewarmView> {
    const { content: patch, order, issuedEpochMs } = ordered
    // asked twice
    if (issuedEpochMs === row.orderedEpochMs) return this.#view(row)
    if (issuedEpochMs < row.orderedEpochMs) {
      throw impossible(`job ${row.id} has obeyed a later order than this one; look at it and try again`)
    }
    const changed = patchJob(row, patch, this.#deps.clock.wall())
    const next = { ...changed, orders: withOrder(row.orders, order), orderedEpochMs: issuedEpochMs }
    const tallies = [...this.#deps.controller.tallies(row.id).values()]
    if (patch.maxHosts !== undefined) {
      refuseTooFew(patch.maxHosts, tallies.filter(({ selected }) => selected > 0).length)
    }
    await this.#deps.controller.accept(next)
    return this.#view(next)
  }

  #isFromAbove(link: PeerLink | undefined): boolean {
    const { tier } = this.#deps
    return link !== undefined && tier.isCache(link.peer) && tier.isParentRegion(link.peer.region)
  }

  #view(row: JobRow): PrewarmView {
    const controller = this.#deps.controller
    return viewOf(row, controller.tallies(row.id), controller.bytesPerSec(row.id), this.#deps.clock.wall())
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
