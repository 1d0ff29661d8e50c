import { LRUCache } from 'lru-cache'
import type { Clock } from '../base/clock.ts'
import { errorText } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { addressGroup } from './address-group.ts'

/** Said again this often while it goes on: a host that is refused dials again for ever, several times a minute. */
const SAY_AGAIN_MS = 10 * 60_000
/** Addresses and reasons that are remembered. */
const MAX_REMEMBERED = 1_024

/** What to do about it, where somebody can do something. */
const REMEDY: Readonly<Record<string, string>> = {
  stranger: 'see that fleet.keyFile is of the same fleet on both hosts ("shoal fleet-key --agent-key-from" makes one)',
  version: 'upgrade the older one of the two hosts',
  role: "see that the cache's certificate (fleet.credential) or its address (tier.caches) is right, and both clocks",
  timeout: 'see what listens or dials at that address, and whether a firewall swallows what is sent',
  protocol: 'see what listens or dials at that address: it does not speak as a host of this fleet',
}

interface RefusedPeer {
  readonly peer: string
  /** As it is told. */
  readonly address: string
  /** The other end's IP address. */
  readonly host: string | undefined
  readonly direction: 'inbound' | 'outbound'
  readonly reason: string
}

/** Names refused peers in the log: an address once for each reason, and again when that has gone on for ten minutes. */
export class RefusalLog {
  readonly #logger: Logger
  readonly #clock: Pick<Clock, 'now'>
  /** When it was said, and how often it has happened since, by reason and address. */
  readonly #said = new LRUCache<string, { readonly at: number; count: number }>({ max: MAX_REMEMBERED })

  constructor(logger: Logger, clock: Pick<Clock, 'now'>) {
    this.#logger = logger
    this.#clock = clock
  }

  refused({ host, ...fields }: RefusedPeer, error: Error): void {
    const { reason } = fields
    const key = `${reason} ${host === undefined ? '' : addressGroup(host)}`
    const before = this.#said.get(key)
    const now = this.#clock.now()
    if (before !== undefined && now - before.at < SAY_AGAIN_MS) {
      before.count++
      return
    }
    this.#said.set(key, { at: now, count: 0 })
    const told = { ...fields, problem: errorText(error), remedy: REMEDY[reason], refusals: 1 + (before?.count ?? 0) }
    this.#logger.warn(told, 'a peer was refused')
  }
}
