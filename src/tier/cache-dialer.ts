import { abortError, raceAbort, sleep } from '../base/abort.ts'
import type { Address } from '../base/address.ts'
import { addressText, parseAddress } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { DIAL_MS } from '../base/patience.ts'
import type { Rng } from '../base/rng.ts'
import { jittered } from '../base/rng.ts'
import { TaskGroup } from '../base/task-group.ts'
import type { PeerLink, Swarm } from '../swarm/index.ts'

const RETRY_FIRST_MS = 250
const RETRY_MOST_MS = 10_000
/** How often the addresses behind a name are looked up again. */
const RESOLVE_EVERY_MS = 30_000
/** More addresses behind one name are ignored. */
const MAX_ADDRESSES = 64
/** Before a `host:port` whose name is followed as its addresses change. */
const BY_NAME = 'dns:'

export interface DialerDeps {
  readonly swarm: Pick<Swarm, 'connectAddress' | 'links'>
  readonly clock: Clock
  readonly rng: Rng
  readonly logger: Logger
  /** The region whose caches these are, by the configuration. */
  readonly region: string
  /** All addresses of a host name. */
  readonly lookup: (name: string) => Promise<string[]>
}

/** Which addresses a configured cache stands for, and what became of dialling each. */
export interface DialedCache {
  readonly address: string
  readonly key: string | undefined
  readonly state: 'linked' | 'dialling' | 'unreachable'
  /** The region it serves by its own word, where that is not the one it is configured for: it is of no use then. */
  readonly servesInstead?: string | undefined
  /** Why it and this host make no link, where one of the two has refused the other. */
  readonly problem?: string | undefined
}

interface Target {
  key: string | undefined
  /** `self`: another host's addresses may be this host's, which is no fault of either. */
  state: DialedCache['state'] | 'self'
  servesInstead: string | undefined
  problem: string | undefined
  readonly stop: AbortController
}

/**
 * Keeps a link to every configured cache address: dials, dials again with growing waits when the link ends, and
 * follows names (`dns:host:port`) as their addresses change. A host is not told apart from itself by address: when a
 * cache finds its own name among the addresses, the swarm refuses that dial and the address is left alone.
 */
export class CacheDialer {
  readonly #deps: DialerDeps
  readonly #targets = new Map<string, Target>()
  readonly #tasks: TaskGroup
  /** Resolves when every address has been tried once: before that, "no cache answers" is not known. */
  readonly #settled = Promise.withResolvers<void>()
  #untried = 0
  #wake = Promise.withResolvers<void>()
  #retriedAt = Number.NEGATIVE_INFINITY

  constructor(deps: DialerDeps) {
    this.#deps = deps
    this.#tasks = new TaskGroup(deps.logger)
  }

  get settled(): Promise<void> {
    return this.#settled.promise
  }

  caches(): DialedCache[] {
    return [...this.#targets].flatMap(([address, { key, state, servesInstead, problem }]) =>
      state === 'self' ? [] : { address, key, state, servesInstead, problem },
    )
  }

  /** Whether this peer was the last one found at one of the configured addresses. */
  reached(key: string): boolean {
    return [...this.#targets.values()].some((target) => target.key === key)
  }

  /** Whether this is one of the configured addresses, as names are resolved now. */
  dials(address: string): boolean {
    return this.#targets.has(address)
  }

  /** Dials those again that are waiting for their next turn, once in a while at most. */
  retry(): void {
    const { clock } = this.#deps
    if (clock.now() - this.#retriedAt < RETRY_FIRST_MS) return
    this.#retriedAt = clock.now()
    this.#wake.resolve()
    this.#wake = Promise.withResolvers<void>()
  }

  start(addresses: readonly string[]): void {
    this.#untried = addresses.length
    if (addresses.length === 0) this.#settled.resolve()
    for (const address of addresses) {
      const name = address.startsWith(BY_NAME) ? parseAddress(address.slice(BY_NAME.length)) : undefined
      if (name !== undefined) void this.#tasks.run('a name of caches is followed no longer', () => this.#follow(name))
      else
        this.#add(
          address,
          once(() => this.#tried()),
        )
    }
  }

  stop(): Promise<void> {
    return this.#tasks.stop()
  }

  #tried(): void {
    if (--this.#untried === 0) this.#settled.resolve()
  }

  async #follow({ host: name, port }: Address): Promise<void> {
    let mine = new Set<string>()
    for (let first = true; !this.#tasks.signal.aborted; first = false) {
      try {
        const found = (await raceAbort(this.#deps.lookup(name), this.#tasks.signal)).slice(0, MAX_ADDRESSES)
        const wanted = new Set(found.map((host) => addressText({ host, port })))
        for (const gone of mine) if (!wanted.has(gone)) this.#remove(gone)
        const firstTry = Promise.all(
          [...wanted].map((address) => new Promise<void>((done) => this.#add(address, done))),
        )
        mine = wanted
        if (first) firstTry.then(() => this.#tried())
      } catch (error) {
        if (this.#tasks.signal.aborted) return
        this.#deps.logger.warn({ name, err: error }, "cannot resolve the caches' name")
        if (first) this.#tried()
      }
      await sleep(this.#deps.clock, RESOLVE_EVERY_MS, this.#tasks.signal)
    }
  }

  #add(address: string, tried: () => void): void {
    if (this.#targets.has(address)) return tried()
    const target: Target = {
      key: undefined,
      state: 'dialling',
      servesInstead: undefined,
      problem: undefined,
      stop: new AbortController(),
    }
    this.#targets.set(address, target)
    void this.#tasks.run('a cache is dialled no longer', () => this.#keep(address, target, tried))
  }

  #remove(address: string): void {
    this.#targets.get(address)?.stop.abort(abortError('no longer listed'))
    this.#targets.delete(address)
  }

  async #keep(address: string, target: Target, tried: () => void): Promise<void> {
    const { clock, logger, rng, swarm } = this.#deps
    const signal = AbortSignal.any([target.stop.signal, this.#tasks.signal])
    let waitMs = RETRY_FIRST_MS
    while (!signal.aborted) {
      try {
        const dial = AbortSignal.any([signal, AbortSignal.timeout(DIAL_MS)])
        const link = await swarm.connectAddress(address, dial)
        this.#reached(address, target, link)
        waitMs = RETRY_FIRST_MS
        tried()
        await this.#untilGone(link, signal)
      } catch (error) {
        if (signal.aborted) return
        if (isShoalError(error, 'PEER_REFUSED') && error.details.reason === 'self') {
          target.state = 'self'
          return tried()
        }
        if (target.state !== 'unreachable') logger.warn({ address, err: error }, 'cache not reachable')
        target.state = 'unreachable'
        target.problem = isShoalError(error, 'PEER_REFUSED') ? error.message : undefined
        tried()
      }
      // a whole region loses a cache at the same moment: it must not come back at the same moment, too
      await Promise.race([sleep(clock, jittered(rng, waitMs), signal), this.#wake.promise])
      waitMs = Math.min(RETRY_MOST_MS, waitMs * 2)
      if (target.state === 'linked') target.state = 'dialling'
    }
  }

  #reached(address: string, target: Target, { peer }: PeerLink): void {
    const { logger, region } = this.#deps
    if (target.state === 'unreachable') logger.info({ address }, 'cache linked again')
    target.key = peer.key
    target.state = 'linked'
    target.problem = undefined
    const serves = peer.region === region ? undefined : peer.region
    if (serves !== undefined && serves !== target.servesInstead) {
      logger.error(
        { address, serves, configuredFor: region },
        'a configured cache serves another region and is of no use here: mend tier.region or tier.caches',
      )
    }
    target.servesInstead = serves
  }

  /** Polls the link table: simpler than a second subscription, and a second's delay costs nothing here. */
  async #untilGone(link: PeerLink, signal: AbortSignal): Promise<void> {
    while (this.#deps.swarm.links.get(link.peer.key) !== undefined) await sleep(this.#deps.clock, 1_000, signal)
  }
}

/** An address is tried again and again, but counts once. */
function once(run: () => void): () => void {
  let done = false
  return () => {
    if (!done) run()
    done = true
  }
}
