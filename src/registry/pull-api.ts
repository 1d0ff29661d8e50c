import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../base/clock.ts'
import { isCrossSite } from '../base/cross-site.ts'
import type { Logger } from '../base/log.ts'
import type { ContentService } from '../blob/interface.ts'
import { canonicalUpstream, DOCKER_HUB } from '../oci/reference.ts'
import type { Answer } from './answer.ts'
import { jsonAnswer, withHeaders } from './answer.ts'
import { answerBlob } from './blob-route.ts'
import { FoundAt } from './found-at.ts'
import type { HostGuard } from './host-guard.ts'
import { answerManifest } from './manifest-route.ts'
import { cannotServe, ociError } from './oci-error.ts'
import { outcomeInTime } from './outcome.ts'
import type { PullPath } from './pull-path.ts'
import { isUnderApi, parsePullPath } from './pull-path.ts'
import type { PullQuery } from './pull-query.ts'
import { parsePullQuery } from './pull-query.ts'
import { answerReferrers } from './referrers-route.ts'
import type { RouteContext } from './route-context.ts'
import { answerTags } from './tags-route.ts'
import { chooseUpstreams, hubUpstreams } from './upstream-choice.ts'

/** A request reduced to what decides its answer. */
export interface PullRequest {
  readonly method: string
  /** The request target as received: path and query. */
  readonly target: string
  /** False for HTTP/1.1 without Host, which RFC 9112 (3.2) forbids. */
  readonly hostStated: boolean
  readonly headers: IncomingHttpHeaders
  readonly client: AbortSignal
  readonly adopt: (work: PromiseLike<void>) => void
}

export type RouteLabel = PullPath['route'] | 'other'

export interface PullApiDeps {
  readonly content: ContentService
  readonly clock: Clock
  readonly logger: Logger
}

/** Sent by a Shoal whose origin is a registry; such a request here would go round in a circle (edge case 16). */
const HOP_HEADER = 'x-shoal-mirrored'

/** The pull API as a function from request to answer; knows nothing of sockets. */
export class PullApi {
  readonly #deps: PullApiDeps
  readonly #search: readonly string[]
  readonly #mayBeMeant: HostGuard
  readonly #foundAt: FoundAt

  constructor(deps: PullApiDeps, options: { readonly search: readonly string[]; readonly guard: HostGuard }) {
    this.#deps = deps
    this.#search = options.search
    this.#mayBeMeant = options.guard
    this.#foundAt = new FoundAt(deps.clock)
  }

  /**
   * The answer to a request, with the route it took. Rejects only with the reason of `request.client`: whatever else
   * goes wrong inside is logged and becomes a 404, on which every runtime goes on to its next endpoint.
   */
  async answer(request: PullRequest): Promise<{ readonly route: RouteLabel; readonly answer: Answer }> {
    const question = request.target.indexOf('?')
    const rawPath = question < 0 ? request.target : request.target.slice(0, question)
    const refused = this.#refuse(request, rawPath)
    if (refused !== undefined) return { route: 'other', answer: refused }
    const path = parsePullPath(rawPath)
    if (path.route === 'none') return { route: 'other', answer: ociError(path.status, path.code, path.message) }
    const query = parsePullQuery(question < 0 ? '' : request.target.slice(question + 1))
    if ('code' in query) return { route: path.route, answer: ociError(400, query.code, query.message) }
    try {
      const answer = path.route === 'base' ? await this.#base(query, request) : await this.#pull(path, query, request)
      return {
        route: path.route,
        answer: query.ns === undefined ? answer : withHeaders(answer, { 'OCI-Namespace': query.ns }),
      }
    } catch (error) {
      request.client.throwIfAborted()
      this.#deps.logger.error({ err: error, route: path.route }, 'a mirror request failed inside; answered 404')
      return { route: path.route, answer: cannotServe(path.route === 'base' ? 'tags' : path.route, 'failed inside') }
    }
  }

  /** What is refused before its path is looked into. */
  #refuse(request: PullRequest, rawPath: string): Answer | undefined {
    const { method, headers } = request
    if (!request.hostStated) return ociError(400, 'UNSUPPORTED', 'HTTP/1.1 needs a Host header')
    // 404 rather than 421: a runtime configured with a name this door does not know still goes on to the registry.
    if (!this.#mayBeMeant(headers.host))
      return ociError(404, 'NAME_UNKNOWN', 'this mirror does not go by that host name')
    // a page's request is no pull: what it names would be fetched and stored, whether or not the page may read it
    if (isCrossSite(headers)) return ociError(403, 'DENIED', 'a web page of another site may not pull')
    if (!isUnderApi(rawPath)) return ociError(404, 'UNSUPPORTED', 'not a path of the OCI pull API')
    if (method !== 'GET' && method !== 'HEAD') {
      return ociError(405, 'UNSUPPORTED', 'this is a mirror: it can only be pulled from', {
        Allow: 'GET, HEAD',
        Connection: 'close',
      })
    }
    if (headers[HOP_HEADER] !== undefined)
      return ociError(404, 'NAME_UNKNOWN', 'asked by another mirror: not going round')
    return undefined
  }

  /** GET /v2/: runtimes decide by it whether there is a mirror at all, so it waits for nobody unless it must challenge. */
  async #base(query: PullQuery, request: PullRequest): Promise<Answer> {
    const { content, clock } = this.#deps
    const named = query.ns === undefined ? DOCKER_HUB : canonicalUpstream(query.ns)
    const knows = (upstream: string): boolean => content.knows(upstream)
    const canonical = named === DOCKER_HUB ? hubUpstreams({ search: this.#search, knows })[0] : named
    if (canonical !== undefined && request.headers.authorization === undefined && content.knows(canonical)) {
      const outcome = await outcomeInTime(
        async (signal) => ({ ok: true, value: await content.challenge(canonical, signal) }),
        clock,
        request.client,
      )
      const challenge = outcome.ok ? outcome.value : undefined
      if (challenge !== undefined) {
        return ociError(401, 'UNAUTHORIZED', 'prove yourself to the registry', { 'WWW-Authenticate': challenge })
      }
    }
    return jsonAnswer(200, {})
  }

  async #pull(path: Exclude<PullPath, { route: 'base' }>, query: PullQuery, request: PullRequest): Promise<Answer> {
    const { content, clock } = this.#deps
    const candidates = chooseUpstreams(path.name, query.ns, request.headers.authorization, {
      search: this.#search,
      knows: (upstream) => content.knows(upstream),
    })
    if (candidates.length === 0) return ociError(404, 'NAME_UNKNOWN', 'no configured upstream has this name')
    const byDigest = path.route === 'blobs' || (path.route === 'manifests' && path.target.kind === 'digest')
    const context: RouteContext = {
      content,
      clock,
      head: request.method === 'HEAD',
      headers: request.headers,
      query,
      candidates: byDigest ? this.#foundAt.order(path.name, candidates) : candidates,
      foundAt: (ref) => this.#foundAt.note(path.name, ref),
      client: request.client,
      adopt: request.adopt,
    }
    switch (path.route) {
      case 'manifests':
        return answerManifest(path.target, context)
      case 'blobs':
        return answerBlob(path.digest, context)
      case 'tags':
        return answerTags(path.name, context)
      case 'referrers':
        return answerReferrers(path.digest, context)
    }
  }
}
