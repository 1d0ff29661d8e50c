import { ShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import type { OriginUse } from './config.ts'
import type { Origin } from './interface.ts'
import type { OriginHealth } from './origin-health.ts'

export interface WantedContent {
  readonly digest: Digest
  /** Labels of origins not to ask. */
  readonly avoid?: ReadonlySet<string> | undefined
}

/** Which origins of an upstream may be asked for what, in their configured order. */
export class OriginRoles {
  readonly #origins: readonly Origin[]
  readonly #uses: ReadonlyMap<Origin, readonly OriginUse[]>
  readonly #health: OriginHealth

  /** An origin without an entry in `uses` is asked for everything. */
  constructor(origins: readonly Origin[], uses: ReadonlyMap<Origin, readonly OriginUse[]>, health: OriginHealth) {
    this.#origins = origins
    this.#uses = uses
    this.#health = health
  }

  usedFor(use: OriginUse): readonly Origin[] {
    return this.#origins.filter((origin) => this.#isUsedFor(origin, use))
  }

  /** Origins that give this content and have not lately given wrong bytes for it. Throws when none is left. */
  pulledFrom(query: WantedContent): readonly Origin[] {
    return this.trusted(query).filter((origin) => this.#isUsedFor(origin, 'pull'))
  }

  /** Whether all that give content have lately given wrong bytes for this. */
  doubts(digest: Digest): boolean {
    return !this.usedFor('pull').some((origin) => this.#health.trusts(origin, digest))
  }

  /** With those at the end that only resolve: for what small things the others lack. */
  trusted({ digest, avoid }: WantedContent): readonly Origin[] {
    const pulled = this.usedFor('pull')
    const inOrder = [...pulled, ...this.#origins.filter((origin) => !pulled.includes(origin))]
    const unblamed = inOrder.filter((origin) => this.#health.trusts(origin, digest))
    const isStuck = !unblamed.some((origin) => pulled.includes(origin))
    const again = isStuck ? pulled.filter((origin) => !unblamed.includes(origin)) : []
    const trusted = [...unblamed, ...again.filter((origin) => this.#health.mayAskAgain(origin, digest))]
    if (trusted.length === 0 && this.#origins.length > 0) {
      throw new ShoalError('CONTENT_CORRUPT', 'every origin has lately served wrong bytes for this digest', {
        details: { digest },
      })
    }
    const wanted = trusted.filter((origin) => avoid?.has(origin.label) !== true)
    if (wanted.length > 0) return wanted
    throw new ShoalError('ORIGIN_UNREACHABLE', 'no origin is left to ask', { details: { digest } })
  }

  #isUsedFor(origin: Origin, use: OriginUse): boolean {
    return this.#uses.get(origin)?.includes(use) ?? true
  }
}
