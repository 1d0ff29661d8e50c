import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import { roleText } from './certified-role.ts'
import type { FleetTrust } from './fleet-trust.ts'

const DAY_MS = 86_400_000
const LOOK_EVERY_MS = 60_000
const SAID_EVERY_MS = DAY_MS
/** Of a certificate's life, and at most: when it is said that it ends. */
const LAST_PART = 1 / 4
const LAST_DAYS = 30

/** A credential or an authority as people are shown it. */
export interface CredentialView {
  /** What it is: `cache`, `operator` or `authority`. */
  readonly role: 'cache' | 'operator' | 'authority'
  /** `cache of region eu-1`, or an authority's name. */
  readonly text: string
  readonly serial: string
  readonly endsEpochMs: number
  /** Whole days until then, below zero after it. */
  readonly daysLeft: number
  /** Why it counts for nothing; null when it counts. */
  readonly problem: string | null
}

interface Life {
  readonly view: CredentialView
  readonly beganMs: number
}

/** What a host's own credential and its authorities are like now. */
export function credentialViews(trust: FleetTrust, nowMs: number): CredentialView[] {
  return lives(trust, nowMs).map(({ view }) => view)
}

/** Says in log and metrics when this host's credential or an authority of its fleet ends. */
export class CredentialEnds implements Disposable {
  readonly #trust: FleetTrust
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #saidAt = new Map<string, number>()
  #timer: Disposable | undefined

  constructor(
    trust: FleetTrust,
    deps: { readonly clock: Clock; readonly logger: Logger; readonly registry: MetricRegistry },
  ) {
    this.#trust = trust
    this.#clock = deps.clock
    this.#logger = deps.logger
    deps.registry.gauge(
      'shoal_credential_expiry_timestamp_seconds',
      "When this host's own credential ends, and the last of the fleet's authorities it knows (Unix time)",
      ['role'],
      (gauge) => {
        const last = new Map<string, number>()
        for (const { role, endsEpochMs } of credentialViews(trust, this.#clock.wall())) {
          last.set(role, Math.max(last.get(role) ?? 0, endsEpochMs / 1000))
        }
        for (const [role, seconds] of last) gauge.set({ role }, seconds)
      },
    )
    this.#look()
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]()
  }

  #look(): void {
    for (const life of lives(this.#trust, this.#clock.wall())) this.#sayIfNear(life)
    this.#timer = this.#clock.after(LOOK_EVERY_MS, () => this.#look())
  }

  #sayIfNear({ view, beganMs }: Life): void {
    const { role, text, serial, endsEpochMs, problem } = view
    const leftMs = endsEpochMs - this.#clock.wall()
    if (problem === null && leftMs > Math.min(LAST_DAYS * DAY_MS, (endsEpochMs - beganMs) * LAST_PART)) return
    const saidAt = this.#saidAt.get(serial)
    if (saidAt !== undefined && this.#clock.now() - saidAt < SAID_EVERY_MS) return
    this.#saidAt.set(serial, this.#clock.now())
    const ends = new Date(endsEpochMs).toISOString()
    const fields = { credential: text, serial, ends, daysLeft: view.daysLeft, problem }
    if (problem !== null) this.#logger.error(fields, `this host's ${role} credential counts for nothing`)
    else
      this.#logger.warn(
        fields,
        role === 'authority' ? 'an authority of this fleet ends soon' : "this host's credential ends soon",
      )
  }
}

function lives({ certificates }: FleetTrust, nowMs: number): Life[] {
  const daysLeft = (endsEpochMs: number): number => Math.floor((endsEpochMs - nowMs) / DAY_MS)
  if (certificates === undefined) return []
  const own = certificates.credential?.certificate
  const authorities = certificates.authorities.all.map(({ x509, name, notAfterMs }): Life => {
    const view: CredentialView = {
      role: 'authority',
      text: name,
      serial: x509.serialNumber,
      endsEpochMs: notAfterMs,
      daysLeft: daysLeft(notAfterMs),
      problem: null,
    }
    return { view, beganMs: x509.validFromDate.getTime() }
  })
  if (own === undefined) return authorities
  const view: CredentialView = {
    role: own.role.role,
    text: roleText(own.role),
    serial: own.serial,
    endsEpochMs: own.notAfterMs,
    daysLeft: daysLeft(own.notAfterMs),
    problem: certificates.ownProblem(own.role.role) ?? null,
  }
  return [{ view, beganMs: own.notBeforeMs }, ...authorities]
}
