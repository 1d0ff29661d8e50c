import { LRUCache } from 'lru-cache'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import type { PeerLink } from '../swarm/index.ts'
import { addressGroup } from '../swarm/index.ts'
import type { Asker, Entry } from '../tier/index.ts'

/** What is asked for: digests come out of manifests, so that a host has no reason to ask for one that does not exist. */
export type AskedFor = 'digest' | 'tag' | 'listing' | 'plan'

/** In questions about a tag. */
const COST = { digest: 4, tag: 1, listing: 1, plan: 32 } as const satisfies Record<AskedFor, number>

/**
 * A host that resolves 64 images looks for some 5 tags of each that may not exist: in other upstreams, and for signatures.
 * After that it has a few each second.
 */
const MEMBER = { most: 512, perSec: 8 }
/** Another cache asks for all of its region. */
const CACHE = { most: 16 * MEMBER.most, perSec: 16 * MEMBER.perSec }
/** All that come from one address: identities cost nothing, and whole sites stand behind one. */
const ADDRESS = { most: 8 * MEMBER.most, perSec: 8 * MEMBER.perSec }
const ALL = { most: 32 * MEMBER.most, perSec: 32 * MEMBER.perSec }
/** With nothing left in all, a peer that has used less than a quarter of its own goes on: a few must not spend it for everybody. */
const MODEST = 0.75

/** Whose use is remembered, some 200 bytes each. A peer that is forgotten begins anew, within what its address and all may. */
const MAX_MEMBERS = 8_192
const MAX_ADDRESSES = 4_096
const TELL_EVERY_MS = 60_000

interface OriginAllowanceDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly isCache: (link: PeerLink) => boolean
}

/**
 * The clients of this host's own mirror, as one who asks: the runtime and whoever else is here come from the same address.
 * What a runtime asks for it has from a manifest that has come through here, so that it spends nothing of this.
 */
export function clientsAsker(clock: Pick<Clock, 'now'>): Asker {
  const bucket = new TokenBucket(clock, ADDRESS)
  return {
    entry: 'forClient',
    get mayAsk() {
      return bucket.left > 0
    },
    isPatient: false,
    charge: () => bucket.take(COST.digest),
  }
}

/**
 * How many questions that find nothing this host puts to its origins for its peers: each, those of one address, and all.
 * Never asked about what is known here.
 */
export class OriginAllowance {
  readonly #deps: OriginAllowanceDeps
  readonly #members = new LRUCache<string, TokenBucket>({ max: MAX_MEMBERS })
  readonly #addresses = new LRUCache<string, TokenBucket>({ max: MAX_ADDRESSES })
  readonly #all: TokenBucket
  #toldAt = Number.NEGATIVE_INFINITY
  #refusals = 0

  constructor(deps: OriginAllowanceDeps) {
    this.#deps = deps
    this.#all = new TokenBucket(deps.clock, ALL)
  }

  /** A peer as one who asks for something. */
  asker(link: PeerLink, kind: AskedFor, entry: Entry): Asker {
    const isCache = this.#deps.isCache(link)
    const own = this.#bucket(this.#members, link.peer.key, isCache ? CACHE : MEMBER)
    // what a cache asks for comes from all over its region, and each of those has been held to its own share there
    const address = isCache ? undefined : this.#bucket(this.#addresses, addressGroup(link.remote ?? ''), ADDRESS)
    const mayAsk = this.#may(own, address)
    if (!mayAsk) this.#tell(link)
    const charge = (): void => {
      for (const bucket of [own, address, this.#all]) bucket?.take(COST[kind])
    }
    return { entry, mayAsk, isPatient: !isCache, charge }
  }

  #may(own: TokenBucket, address: TokenBucket | undefined): boolean {
    if (own.left <= 0 || (address !== undefined && address.left <= 0)) return false
    return this.#all.left > 0 || (own.share > MODEST && (address?.share ?? 1) > MODEST)
  }

  #bucket(of: LRUCache<string, TokenBucket>, key: string, size: { most: number; perSec: number }): TokenBucket {
    const known = of.get(key)
    if (known !== undefined) return known
    const made = new TokenBucket(this.#deps.clock, size)
    of.set(key, made)
    return made
  }

  /** Once a minute: silence would hide a member that means harm, and a host that is set up wrongly. */
  #tell({ peer, remote }: PeerLink): void {
    const { clock, logger } = this.#deps
    this.#refusals++
    if (clock.now() - this.#toldAt < TELL_EVERY_MS) return
    this.#toldAt = clock.now()
    const fields = { peer: peer.key, address: remote, refusals: this.#refusals }
    logger.warn(fields, 'a host has asked for too much that does not exist: it is told what is known here, and no more')
  }
}
