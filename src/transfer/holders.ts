import { runningLimit, sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { fairShare } from '../base/fair-share.ts'
import type { Logger } from '../base/log.ts'
import type { OriginChain } from '../origin/index.ts'
import { Bitfield } from '../piece/bitfield.ts'
import type { PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Active } from './active.ts'
import { groupOf } from './group-of.ts'
import type { HashExchange } from './hash-exchange.ts'
import type { LinkNumbers } from './id-map.ts'
import type { LeecherPort } from './leecher-port.ts'
import type { JoinedSwarm } from './messages.ts'
import { transferRequests } from './messages.ts'

/** Hosts asked at once: where many have the content some of these do, and where few do the origin is cheap. */
const ASKED_MOST = 16
/** Once one has said that it has it, the others have as long; a home that waited longer for one that hangs would make everybody wait. */
const OTHERS_MS = 500
/** All of it may take this long: on busy hosts a look-up takes its time, and a copy from the origin much more. */
const ANSWER_MS = 2_500

interface HoldersDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly swarm: Swarm
  readonly tier: Tier
  readonly leecher: LeecherPort
  readonly links: LinkNumbers
  readonly hashes: HashExchange
}

/** What a host said that has the whole. */
interface Holder {
  readonly link: PeerLink
  readonly held: JoinedSwarm
}

/**
 * A cache that has become home only lately does not know what its region has: it asks hosts that may have a blob whole
 * before it reads the origin. Their bytes are taken for what a cache has signed, or for what the whole proves in the end;
 * that the repository may have them is still for its origin to say.
 */
export class Holders {
  readonly #deps: HoldersDeps

  constructor(deps: HoldersDeps) {
    this.#deps = deps
  }

  /** Whether it is worth asking: this cache is home of what others were home of a while ago. */
  isWorthAsking({ transfer, shared }: Active): boolean {
    const { swarm, tier } = this.#deps
    const isFirst = transfer.failedProofs === 0 && transfer.partial.have.count === 0
    return shared && transfer.window === undefined && isFirst && swarm.self.role === 'cache' && tier.isNewHome
  }

  /** Makes those of the region that have the blob its sources. Never rejects. */
  async join(active: Active, chain: OriginChain): Promise<void> {
    const { transfer } = active
    const holders = await this.#ask(active)
    if (holders.length === 0 || !(await this.#mayHave(active, chain))) return
    transfer.confirm()
    const { leecher, links, hashes, logger } = this.#deps
    logger.info(
      { digest: transfer.digest, holders: holders.length },
      'hosts of this region have the blob already: they are asked, not the origin',
    )
    for (const { link, held } of holders) {
      leecher.join(transfer, link, 'peer', 0)
      hashes.holderSays(active, link, held.runs)
      const bits = Bitfield.full(transfer.layout.count)
      leecher.drive({ type: 'sourceBits', source: links.number(link), blob: transfer.blob, bits, queue: 0 })
    }
  }

  async #ask({ transfer }: Active): Promise<Holder[]> {
    const { swarm, clock } = this.#deps
    const { upstream, repository, digest } = transfer.ref
    const { size } = transfer.layout
    const near = [...swarm.links.values()].filter(({ peer }) => {
      return peer.role === 'agent' && peer.region === swarm.self.region
    })
    const late = new AbortController()
    using waited = runningLimit(clock, ANSWER_MS)
    const limit = AbortSignal.any([transfer.signal, late.signal, waited.signal])
    const args = { upstream, repository, digest, size, have: new Uint8Array() }
    const shares = { most: ASKED_MOST, perGroup: Math.ceil(ASKED_MOST / 4) }
    const chosen = fairShare(near, ({ remote }) => groupOf(remote), shares)
    const asked = chosen.map(async (link): Promise<Holder[]> => {
      const held = await link.request(transferRequests.join, args, limit)
      return held.kind === 'swarm' && held.size === size ? [{ link, held }] : []
    })
    const tell = asked.map((answer) =>
      answer.then((holders) => holders.length > 0 || Promise.reject(new Error('not it'))),
    )
    const others = Promise.any(tell).then(() => sleep(clock, OTHERS_MS, limit))
    others.then(() => late.abort(new DOMException('another has it', 'AbortError'))).catch(() => {})
    const answers = await Promise.allSettled(asked)
    late.abort(new DOMException('all have answered', 'AbortError'))
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  }

  /** Whether the origin has the blob in this repository. If it cannot say so, it is read as if nobody had it. */
  async #mayHave({ transfer }: Active, chain: OriginChain): Promise<boolean> {
    const { repository, authorization, digest } = transfer.ref
    try {
      const stat = await chain.statBlob({ repository, authorization, digest, signal: transfer.signal })
      return stat?.size === transfer.layout.size
    } catch {
      return false
    }
  }
}
