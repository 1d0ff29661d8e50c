import type { Logger } from '../base/log.ts'
import type { OriginChain } from '../origin/index.ts'
import { Bitfield } from '../piece/bitfield.ts'
import type { CallResults, PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Active } from './active.ts'
import type { LeecherPort } from './leecher-port.ts'
import type { Neighbourhood } from './neighbourhood.ts'

/** Hosts asked at once: where many have the content some of these do, and where few do the origin is cheap. */
const ASKED_MOST = 16
/** They look it up and answer; a home that waited longer would make everybody wait. */
const ANSWER_MS = 500

export interface HoldersDeps {
  readonly logger: Logger
  readonly swarm: Swarm
  readonly tier: Tier
  readonly leecher: LeecherPort
  readonly neighbours: Neighbourhood
}

/** What a host said that has the whole. */
interface Holder {
  readonly link: PeerLink
  readonly held: Extract<CallResults['join'], { kind: 'swarm' }>
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
  isWorthAsking({ transfer, shared, window }: Active): boolean {
    const { swarm, tier } = this.#deps
    const isFirst = transfer.failedProofs === 0 && transfer.partial.have.count === 0
    return shared && window === undefined && isFirst && swarm.self.role === 'cache' && tier.isNewHome
  }

  /** Makes those of the region that have the blob its sources. Never rejects. */
  async join(active: Active, chain: OriginChain): Promise<void> {
    const { transfer } = active
    const holders = await this.#ask(active)
    if (holders.length === 0 || !(await this.#mayHave(active, chain))) return
    transfer.confirm()
    const { leecher, neighbours, logger } = this.#deps
    logger.info({ digest: transfer.digest, holders: holders.length }, 'hosts of the region have the blob already')
    for (const { link, held } of holders) {
      leecher.join(transfer, link, 'peer', 0)
      neighbours.holderSays(active, link, held.runs)
      const bits = Bitfield.full(transfer.layout.count)
      leecher.drive({ type: 'sourceBits', source: leecher.sourceOf(link), blob: transfer.blob, bits, queue: 0 })
    }
  }

  async #ask({ transfer }: Active): Promise<Holder[]> {
    const { swarm } = this.#deps
    const { upstream, repository, digest } = transfer.ref
    const { size } = transfer.layout
    const near = [...swarm.links.values()].filter(({ peer }) => {
      return peer.role === 'agent' && peer.region === swarm.self.region
    })
    const limit = AbortSignal.any([transfer.signal, AbortSignal.timeout(ANSWER_MS)])
    const args = { upstream, repository, digest, size, have: new Uint8Array() }
    const asked = near.slice(0, ASKED_MOST).map(async (link): Promise<Holder[]> => {
      const held = await link.call('join', args, limit)
      return held.kind === 'swarm' && held.size === size ? [{ link, held }] : []
    })
    const answers = await Promise.allSettled(asked)
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
