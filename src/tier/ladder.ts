import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Outcome, Refusal } from '../base/outcome.ts'
import { isRefused, refusalOf, refused } from '../base/outcome.ts'
import { ASK_MS, LAST_ASK_MS, LINGER_MS, LINGERING_MOST, STAND_INS_MS } from '../base/patience.ts'
import { SingleFlight } from '../base/single-flight.ts'
import type { OriginChain } from '../origin/index.ts'
import type { PeerLink, Response } from '../swarm/index.ts'
import type { Asker, Entry } from './asker.ts'
import { OWN_CLIENT } from './asker.ts'
import type { HomeRequest } from './home-requests.ts'
import type { Tier } from './tier.ts'

/** An upstream's "no" is remembered only for this long: it may be pushed the next moment; and a runtime that is told "no" goes to the registry itself. */
const REMEMBERED_MS = 3_000
/** Names are up to some 500 characters long. */
const MAX_REMEMBERED = 4_096
/** Homes that may tell a lie about one thing before those above are asked. */
const MOST_LIES = 2

const SPENT = refused('unavailable', 'this host has asked for too much that does not exist: ask the registry itself')
const NOBODY = refused('unavailable', 'no cache of this region answers')

/** A home's or a parent's answer that is no refusal. */
export interface Answered<R extends Response> {
  readonly answer: R
  readonly link: PeerLink
  readonly from: 'home' | 'parent'
}

/**
 * What an answer is worth that does not count. `false`: it shows by itself that it is wrong, and another home is asked.
 * `above`: it does not say enough, and the tier above is asked.
 */
export type Worthless = 'false' | 'above'

/** One thing that is looked for: what is asked at each rung, and what becomes of the answers. */
export interface Climb<R extends Response, T> {
  readonly upstream: string
  /** What its homes are ranked by. */
  readonly key: string
  readonly request: HomeRequest<R>
  /** Hosts that stand in for the caches are not believed about it. */
  readonly onlyCaches?: boolean
  /** Whoever asks for the same name at the same time shares the answer. Undefined: each asks for itself. */
  readonly name?: string
  /** What is known here already. */
  readonly here?: (entry: Entry) => Promise<Outcome<T> | undefined>
  /**
   * Of what is not known here. `isHeardOf`: it has been here, or its repository names it: asking for it is no waste.
   * `isAwaited`: it may appear at any moment, and whoever asks means this one. Default: neither.
   */
  readonly about?: () => Promise<{ readonly isHeardOf: boolean; readonly isAwaited: boolean }>
  /** Takes what a home or a parent has answered. */
  readonly take: (answered: Answered<R>) => Promise<Outcome<T> | Worthless>
  readonly atOrigin: (chain: OriginChain, signal: AbortSignal) => Promise<Outcome<T>>
  /** What will do while nobody can be asked. */
  readonly instead?: (entry: Entry) => Promise<T | undefined>
  /** A client's own proof: the origin is asked in its name. */
  readonly authorization?: string | undefined
}

export interface LadderDeps {
  readonly tier: Tier
  readonly clock: Clock
  /** The origins of an upstream; undefined for one that is not configured. */
  readonly origins: (upstream: string) => OriginChain | undefined
}

/**
 * home -> parent -> origin: whoever is asked first has it, or asks the next. A home that cannot be reached or cannot help is
 * passed over for its stand-in; when this host turns out to be the home itself, the homes of the regions above are asked,
 * nearest first, and then the origin.
 */
export class Ladder<T> {
  readonly #deps: LadderDeps
  readonly #flights: SingleFlight<Outcome<T>>
  /** What was not found a moment ago, by its name. */
  readonly #unknowns: ExpiringMap<Refusal>

  constructor(deps: LadderDeps) {
    this.#deps = deps
    this.#flights = new SingleFlight({ clock: deps.clock, ms: LINGER_MS, most: LINGERING_MOST })
    this.#unknowns = new ExpiringMap(deps.clock, MAX_REMEMBERED)
  }

  /** Enters where `asker` has to. Never rejects but with the signal's reason. */
  climb<R extends Response>(climb: Climb<R, T>, asker: Asker, signal: AbortSignal): Promise<Outcome<T>> {
    return this[asker.entry](climb, signal, asker)
  }

  /** From the key's home on: for this host's own clients, and for peers that do not take it for the home. */
  forClient<R extends Response>(climb: Climb<R, T>, signal: AbortSignal, asker = OWN_CLIENT): Promise<Outcome<T>> {
    const beyond = async (shared: AbortSignal): Promise<Outcome<T>> =>
      (await this.#askHomes(climb, shared)) ?? this.forPeer(climb, shared)
    return this.#share('forClient', climb, asker, beyond, signal)
  }

  /** From the tier above on: for peers that take this host for the home, and when it turns out to be. */
  forPeer<R extends Response>(climb: Climb<R, T>, signal: AbortSignal, asker = OWN_CLIENT): Promise<Outcome<T>> {
    const beyond = async (shared: AbortSignal): Promise<Outcome<T>> =>
      (await this.#askParents(climb, shared)) ?? this.atOrigin(climb, shared)
    return this.#share('forPeer', climb, asker, beyond, signal)
  }

  /** The origin alone: in a client's own name, past everything that is known here. */
  async atOrigin<R extends Response>(climb: Climb<R, T>, signal: AbortSignal): Promise<Outcome<T>> {
    const { upstream, authorization } = climb
    const chain = this.#deps.origins(upstream)
    if (chain === undefined) return refused('unknown', `no upstream is called ${upstream}`)
    try {
      return await climb.atOrigin(chain, signal)
    } catch (error) {
      signal.throwIfAborted()
      return refusalOf(error, authorization)
    }
  }

  /** What was not there a moment ago may be there now. */
  forget(name: string): void {
    this.#unknowns.delete(name)
  }

  #share<R extends Response>(
    entry: Entry,
    climb: Climb<R, T>,
    asker: Asker,
    beyond: (signal: AbortSignal) => Promise<Outcome<T>>,
    signal: AbortSignal,
  ): Promise<Outcome<T>> {
    const { name, here, instead } = climb
    const work = async (shared: AbortSignal): Promise<Outcome<T>> => {
      const known = await here?.(entry)
      if (known !== undefined) return known
      const outcome = await this.#allowed(climb, asker, () => beyond(shared))
      return isUnavailable(outcome) ? ((await instead?.(entry)) ?? outcome) : outcome
    }
    if (name === undefined) return work(signal)
    // a caller that may not ask shares nobody's work, or others would be refused with it
    return this.#flights.run(`${entry} ${asker.mayAsk ? 'free' : 'spent'} ${name}`, work, signal)
  }

  /**
   * Asks, unless the asker has spent what it may ask of what nobody has heard of, or has just been told. What finds nothing
   * counts against it, and so does what it does not wait for.
   */
  async #allowed<R extends Response>(
    { name, about }: Climb<R, T>,
    asker: Asker,
    ask: () => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    if (name !== undefined && (asker.isPatient || !asker.mayAsk)) {
      const { isHeardOf, isAwaited } = (await about?.()) ?? { isHeardOf: false, isAwaited: false }
      const recent = asker.isPatient && !isAwaited ? this.#unknowns.get(name) : undefined
      if (recent !== undefined) return recent
      if (!asker.mayAsk && !isHeardOf) return SPENT
    }
    let isFound = false
    try {
      const outcome = await ask()
      isFound = !isRefused(outcome)
      // what cannot be had at the moment may be had in the next
      if (name !== undefined && isRefused(outcome) && !isUnavailable(outcome))
        this.#unknowns.set(name, outcome, REMEMBERED_MS)
      return outcome
    } finally {
      if (!isFound) asker.charge()
    }
  }

  /** Asks the homes by rank. Undefined when it is for those above to say: this host is home itself, or nobody is believed. */
  async #askHomes<R extends Response>(climb: Climb<R, T>, signal: AbortSignal): Promise<Outcome<T> | undefined> {
    const { tier, clock } = this.#deps
    const tried = new Set<string>()
    let refusal = NOBODY
    let lies = 0
    // hosts that stand in for the caches may be silent one after the other: then this one does without them
    let standInsUntil: number | undefined
    for (;;) {
      const homes = await tier.homesAfterGrace(climb.key, signal)
      const left = homes.filter((home) => home.kind === 'self' || !tried.has(home.link.peer.key))
      const home = left[0]
      if (home === undefined) return lies > 0 ? undefined : refusal
      if (home.kind === 'self' || (climb.onlyCaches === true && !isCache(home.link))) return undefined
      const { link } = home
      if (!isCache(link)) {
        standInsUntil ??= clock.now() + STAND_INS_MS
        if (clock.now() >= standInsUntil) return undefined
      }
      tried.add(link.peer.key)
      // with nobody left to ask instead, a slow answer is better than none
      const answer = await tier.requests.ask(
        climb.key,
        link,
        climb.request,
        left.length > 1 ? ASK_MS : LAST_ASK_MS,
        signal,
      )
      if (answer === undefined) continue
      if (isRefused(answer)) {
        // that there is no such thing is for the origin to say, or for a cache that has asked it
        if (answer.reason !== 'unavailable') return isCache(link) ? answer : undefined
        refusal = refused('unavailable', answer.message)
        continue
      }
      const taken = await climb.take({ answer, link, from: 'home' })
      if (taken !== 'false' && taken !== 'above') return taken
      lies++
      if (taken === 'above' || lies >= MOST_LIES) return undefined
    }
  }

  /** Asks the homes in the regions above, nearest first. Undefined when none of them can help. */
  async #askParents<R extends Response>(climb: Climb<R, T>, signal: AbortSignal): Promise<Outcome<T> | undefined> {
    const { tier } = this.#deps
    for (const link of tier.parents(climb.key)) {
      const answer = await tier.requests.ask(climb.key, link, climb.request, ASK_MS, signal)
      if (answer === undefined || isUnavailable(answer)) continue
      if (isRefused(answer)) return answer
      const taken = await climb.take({ answer, link, from: 'parent' })
      if (taken !== 'false' && taken !== 'above') return taken
    }
    return undefined
  }
}

function isCache({ peer }: PeerLink): boolean {
  return peer.role === 'cache'
}

function isUnavailable(outcome: unknown): boolean {
  return isRefused(outcome) && outcome.reason === 'unavailable'
}
