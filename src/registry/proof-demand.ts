import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import { namesLoopback } from '../base/host-guard.ts'
import type { Logger } from '../base/log.ts'
import type { ContentService } from '../blob/interface.ts'
import type { Answer } from './answer.ts'
import { ociError } from './oci-error.ts'
import { ownChallenge } from './own-token.ts'

interface ProofDemandDeps {
  readonly content: ContentService
  readonly clock: Clock
  readonly logger: Logger
}

/** That clients' proofs are refused is said this often for each upstream. */
const SAY_AGAIN_MS = 60_000
const MOST_SAID = 64

/** How a client is told to prove itself (`access: passthrough`), in the form that it can answer. */
export class ProofDemand {
  readonly #deps: ProofDemandDeps
  readonly #said: ExpiringMap<true>

  constructor(deps: ProofDemandDeps) {
    this.#deps = deps
    this.#said = new ExpiringMap(deps.clock, MOST_SAID)
  }

  /**
   * The challenge that leads to this mirror's own tokens; undefined for clients that are told the registry's own: a client that
   * names its registry by `ns` makes its scope from the registry's names, and passwords come over loopback only.
   */
  own(ns: string | undefined, { host }: IncomingHttpHeaders, name?: string): string | undefined {
    if (ns !== undefined || host === undefined || !namesLoopback(host)) return undefined
    return this.#deps.content.asksClients() ? ownChallenge(host, name) : undefined
  }

  /** The answer to a request for `name` of `upstream`, with a demand that its client can meet where it is refused. */
  rephrase(
    answer: Answer,
    asked: { readonly upstream: string; readonly ns: string | undefined; readonly name: string },
    headers: IncomingHttpHeaders,
  ): Answer {
    if (!this.#deps.content.asksClients(asked.upstream)) return answer
    const isFirstTry = headers.authorization === undefined
    if (answer.status === 401 && !isFirstTry) this.#tellRefused(asked.upstream)
    // To strangers some registries say "unknown" of what is private, and some clients come here without having asked /v2/.
    if (answer.status !== 401 && !(isFirstTry && answer.status === 404)) return answer
    const own = this.own(asked.ns, headers, asked.name)
    return own === undefined ? answer : unproven(own, isFirstTry ? undefined : 'invalid_token')
  }

  #tellRefused(upstream: string): void {
    if (this.#said.get(upstream) === true) return
    this.#said.set(upstream, true, SAY_AGAIN_MS)
    this.#deps.logger.warn(
      { upstream },
      'the registry refuses what a client proves itself with: its runtime goes to the registry itself (docs/runtimes.md, "Private registries")',
    )
  }
}

/** 401 with a challenge; `error` says what was wrong with the proof that came (RFC 6750, 3.1). */
export function unproven(challenge: string, error?: string): Answer {
  const header = error === undefined ? challenge : `${challenge},error="${error}"`
  return ociError(401, 'UNAUTHORIZED', 'prove yourself to the registry', { 'WWW-Authenticate': header })
}
