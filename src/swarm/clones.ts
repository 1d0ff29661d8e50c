import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Logger } from '../base/log.ts'
import type { Clone, PeerKey } from './interface.ts'

/** Hosts of one image come by the dozen, and share one identity. */
const MAX_WATCHED = 256
/** A second host is forgotten this long after its last attempt: it was stopped, or has an identity of its own now. */
const FORGET_MS = 60_000
/** Three ping intervals: a link that is heard from after that is no remnant of a host that has moved. */
const CONFIRM_INTERVALS = 3

/** Where a host was met: what it says of itself, and the IP address it came from. */
interface Whereabouts {
  readonly addresses: readonly string[]
  readonly remote: string | undefined
}

/** The link that a newcomer of the same identity finds. */
interface Resident extends Whereabouts {
  /** Whether nothing came from it for a while. */
  readonly isQuiet: boolean
}

interface Watched {
  readonly sinceMs: number
  readonly addresses: Set<string>
  named: boolean
}

interface ClonesDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly pingIntervalMs: number
}

/**
 * Hosts that were made from one disk image and therefore have one identity. A host that comes back finds its old link
 * dead and takes its place; where both are alive, the one that is linked stays, or the two would drive each other out for
 * ever. Each such identity is named once in the log.
 */
export class Clones {
  readonly #deps: ClonesDeps
  readonly #watched: ExpiringMap<Watched>
  readonly #keys = new Set<PeerKey>()
  #own: { readonly addresses: Set<string>; toldAtMs: number } | undefined

  constructor(deps: ClonesDeps) {
    this.#deps = deps
    this.#watched = new ExpiringMap(deps.clock, MAX_WATCHED)
  }

  /** Identities that more than one live host has, as seen here or as peers have told this host of its own. */
  list(ownKey: PeerKey): Clone[] {
    const clones: Clone[] = []
    for (const key of this.#keys) {
      const watched = this.#watched.get(key)
      if (watched === undefined) this.#keys.delete(key)
      else if (watched.named) clones.push({ key, addresses: [...watched.addresses] })
    }
    if (this.#own !== undefined && this.#deps.clock.now() - this.#own.toldAtMs < FORGET_MS) {
      clones.push({ key: ownKey, addresses: [...this.#own.addresses] })
    }
    return clones
  }

  /**
   * A host dials with an identity that is linked: `replace` when it is the same host, or the link is dead; `wait` while that
   * is not known; `clone` when both are alive.
   */
  judge(key: PeerKey, resident: Resident, newcomer: Whereabouts): 'replace' | 'wait' | 'clone' {
    if (resident.isQuiet || isSameHost(resident, newcomer)) {
      this.#watched.delete(key)
      return 'replace'
    }
    const { clock, pingIntervalMs } = this.#deps
    const now = clock.now()
    const watched = this.#watched.get(key) ?? { sinceMs: now, addresses: new Set<string>(), named: false }
    for (const address of [...placesOf(resident), ...placesOf(newcomer)]) watched.addresses.add(address)
    this.#watched.set(key, watched, FORGET_MS)
    this.#keys.add(key)
    if (now - watched.sinceMs < CONFIRM_INTERVALS * pingIntervalMs) return 'wait'
    if (!watched.named) {
      watched.named = true
      this.#deps.logger.error(
        { peer: key, addresses: [...watched.addresses] },
        'several hosts have one identity, as copies of a disk have: remove the identity file on all but one of them, and restart those',
      )
    }
    return 'clone'
  }

  /** A peer has told this host that another one with its identity is linked. */
  told(by: string): void {
    const { clock, logger } = this.#deps
    if (this.#own === undefined) {
      logger.error(
        { by },
        'another host has the identity of this one, as copies of a disk have: remove the identity file in the store here, and restart',
      )
    }
    const addresses = this.#own?.addresses ?? new Set<string>()
    if (addresses.size < MAX_WATCHED) addresses.add(by)
    this.#own = { addresses, toldAtMs: clock.now() }
  }
}

function isSameHost(a: Whereabouts, b: Whereabouts): boolean {
  const isSamePlace = a.addresses.length === 0 || a.addresses.some((address) => b.addresses.includes(address))
  return a.remote === b.remote && isSamePlace
}

/** At most a handful each: the addresses, or where it came from if it names none. */
function placesOf({ addresses, remote }: Whereabouts): readonly string[] {
  return addresses.length > 0 ? addresses : remote === undefined ? [] : [remote]
}
