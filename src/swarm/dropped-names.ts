import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Logger } from '../base/log.ts'
import type { PeerKey } from './interface.ts'
import type { Dropped } from './link.ts'
import type { SwarmMetrics } from './metrics.ts'

/** What two versions do not share is said once per peer and name, and again after a day. */
const SAID_EVERY_MS = 24 * 60 * 60 * 1000
const MAX_SAID = 8192

interface DroppedNamesDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: SwarmMetrics
}

/** Counts and names what is left out between two versions: nothing is wrong, but whoever misses something finds why. */
export class DroppedNames {
  readonly #deps: DroppedNamesDeps
  readonly #said: ExpiringMap<true>

  constructor(deps: DroppedNamesDeps) {
    this.#deps = deps
    this.#said = new ExpiringMap(deps.clock, MAX_SAID)
  }

  note(peer: PeerKey, what: Dropped): void {
    const { direction, kind, name } = what
    this.#deps.metrics.dropped(what)
    const key = `${peer} ${direction} ${kind} ${name}`
    if (this.#said.get(key) === true) return
    this.#said.set(key, true, SAID_EVERY_MS)
    this.#deps.logger.info({ peer, direction, kind, name }, 'a peer is of another version: this is left out')
  }
}
