import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { rankStandIns } from '../scheduler/index.ts'
import type { PeerKey, PeerLink, Swarm } from '../swarm/index.ts'
import { addressGroup } from '../swarm/index.ts'
import { canonicalBytes } from '../trust/index.ts'
import { isCurrent, proofDate } from './dated-proof.ts'
import type { Lot } from './requests.ts'

const DRAW_BYTES = 16

interface LotsDeps {
  readonly swarm: Pick<Swarm, 'self' | 'links' | 'trust'>
  readonly clock: Pick<Clock, 'wall'>
}

/**
 * What hosts rank by when they stand in for their region's caches. They could make any number of identities until one
 * ranks first for a key; so a cache draws a lot for each host that asks it who its members are, from a secret that this
 * process tells nobody, and signs it: the same one for an identity whenever it asks, and in its first part the same for
 * all identities of one address. A host shows its lot to those it is linked to. A host without one ranks behind all that have one.
 */
export class Lots {
  readonly #deps: LotsDeps
  readonly #secret = randomBytes(32)
  readonly #shown = new WeakMap<PeerLink, Lot>()
  #own: Lot | undefined

  constructor(deps: LotsDeps) {
    this.#deps = deps
  }

  /** What is told to a peer: by a cache the lot of a host of its region, by other hosts their own. */
  for({ peer, remote }: PeerLink): Lot | undefined {
    const { self, trust } = this.#deps.swarm
    if (self.role !== 'cache') return this.#own
    if (peer.role !== 'agent' || peer.region !== self.region || remote === undefined) return undefined
    const drawn = {
      region: self.region,
      atMs: proofDate(this.#deps.clock),
      address: this.#draw('address', addressGroup(remote)),
      host: this.#draw('host', peer.key),
    }
    const signature = trust.vouch(statementOf(peer.key, drawn))
    return signature === undefined ? undefined : { ...drawn, signature }
  }

  /** A cache tells this host its lot, anybody else his own; what no cache of this region has signed is none. */
  told(link: PeerLink, isCache: boolean, lot: Lot | undefined): void {
    const { swarm, clock } = this.#deps
    const { region, key } = swarm.self
    if (lot === undefined || !isCurrent(lot, region, clock)) return
    if (!swarm.trust.vouched(statementOf(isCache ? key : link.peer.key, lot), lot.signature, region)) return
    if (isCache) this.#own = lot
    else this.#shown.set(link, lot)
  }

  /** Whether a host has shown what a cache has drawn for it. */
  shownBy(link: PeerLink): boolean {
    return this.#shown.has(link)
  }

  /** Hosts that stand in for the caches, this one among them or not, best first for `key`. */
  rank(key: string, hosts: readonly PeerKey[]): PeerKey[] {
    const { self, links } = this.#deps.swarm
    return rankStandIns(key, hosts, (host) => {
      const link = links.get(host)
      return host === self.key ? this.#own : link && this.#shown.get(link)
    })
  }

  #draw(what: string, of: string): string {
    const drawn = createHmac('sha256', this.#secret).update(canonicalBytes(what, of)).digest()
    return drawn.subarray(0, DRAW_BYTES).toString('base64url')
  }
}

function statementOf(host: PeerKey, { region, atMs, address, host: own }: Omit<Lot, 'signature'>): Uint8Array {
  return canonicalBytes('shoal lot v1', region, host, atMs, address, own)
}
