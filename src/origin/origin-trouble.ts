import type { Clock } from '../base/clock.ts'
import type { ErrorCode, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Origin } from './interface.ts'

/** Said again this often while it lasts: once is overlooked, and every request is a flood. */
const SAY_AGAIN_MS = 60_000

/** What ails an origin: a closed set, for metrics. */
export const ORIGIN_STATES = ['ok', 'unreachable', 'throttled', 'denied', 'misconfigured', 'wrong'] as const
type OriginState = (typeof ORIGIN_STATES)[number]

/** What an origin's last answer was, when it was none. */
export interface OriginTrouble {
  readonly state: Exclude<OriginState, 'ok'>
  readonly message: string
  /** What to do about it. */
  readonly remedy: string
  /** Epoch milliseconds. */
  readonly sinceEpochMs: number
  readonly failures: number
}

interface Entry extends OriginTrouble {
  readonly saidAt: number
}

const STATE_OF: Readonly<Partial<Record<ErrorCode, OriginTrouble['state']>>> = {
  ORIGIN_THROTTLED: 'throttled',
  ORIGIN_DENIED: 'denied',
  ORIGIN_CHANGED: 'wrong',
  MANIFEST_INVALID: 'wrong',
  CONTENT_CORRUPT: 'wrong',
  CONFIG_INVALID: 'misconfigured',
}

const REMEDY: Readonly<Record<OriginTrouble['state'], string>> = {
  unreachable: 'see whether it runs, and whether this host reaches it',
  throttled: 'let a cache tier ask for all hosts, or use credentials with a higher limit',
  denied: "check the origin's credentials, and that access is node",
  misconfigured: "mend the origin's configuration",
  wrong: 'see what answers at this address: it is not what a registry sends',
}

/** Where the words of an unreachable origin's error tell more. */
const UNREACHABLE: readonly (readonly [words: RegExp, remedy: string])[] = [
  [/insecureRedirects/, 'set insecureRedirects: true on the origin, if its storage may be read over http'],
  [/certificate|self-signed|CERT_/i, "name the authority's file in tls.ca of the origin"],
  [/ENOTFOUND|EAI_AGAIN|getaddrinfo/, 'its name does not resolve: check the name and DNS'],
  [/ECONNREFUSED/, 'nothing listens there: check the address, and whether it runs'],
  [/timed? ?out|Timeout/i, 'it does not answer in time: check the network, or raise timeouts of the origin'],
  [
    /asked in a circle|mirrors, one after the other/,
    'this origin asks this host again, directly or through others: take it out of the upstream',
  ],
  [/not as a registry does|page where/, 'an ingress, proxy or login page answers in its place'],
]

/**
 * What ails the origins of one upstream. Each kind of trouble is one line in the log a minute and origin, with its
 * cause and remedy, and one line when it is over; status and metrics show the rest.
 */
export class OriginTroubles {
  readonly #clock: Clock
  readonly #logger: Logger
  /** One entry per configured origin at most. */
  readonly #entries = new Map<Origin, Entry>()

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  of(origin: Origin): OriginTrouble | undefined {
    return this.#entries.get(origin)
  }

  failed(origin: Origin, error: ShoalError): void {
    const now = this.#clock.now()
    const state = STATE_OF[error.code] ?? 'unreachable'
    const before = this.#entries.get(origin)
    const isNew = before === undefined || before.state !== state
    const isDue = isNew || now - before.saidAt >= SAY_AGAIN_MS
    const remedy = remedyFor(state, error.message)
    const failures = isNew ? 1 : before.failures + 1
    this.#entries.set(origin, {
      state,
      message: error.message,
      remedy,
      sinceEpochMs: isNew ? this.#clock.wall() : before.sinceEpochMs,
      failures,
      saidAt: isDue ? now : before.saidAt,
    })
    if (isDue) this.#logger.warn({ origin: origin.label, state, remedy, failures, err: error }, 'an origin fails')
  }

  succeeded(origin: Origin): void {
    const before = this.#entries.get(origin)
    if (before === undefined) return
    this.#entries.delete(origin)
    this.#logger.info({ origin: origin.label, failures: before.failures }, 'an origin answers again')
  }
}

function remedyFor(state: OriginTrouble['state'], message: string): string {
  const special = state === 'unreachable' ? UNREACHABLE.find(([words]) => words.test(message)) : undefined
  return special?.[1] ?? REMEDY[state]
}
