import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../base/clock.ts'
import { isCrossSite } from '../base/cross-site.ts'
import type { HostGuard } from '../base/host-guard.ts'
import type { Logger } from '../base/log.ts'
import { HOPS_HEADER, hopsRefusal, parseHops, withHops } from '../base/mirror-hops.ts'
import { isRefused } from '../base/outcome.ts'
import type { ClientRef, ContentService } from '../blob/interface.ts'
import type { Digest } from '../oci/digest.ts'
import type { TagOrDigest } from '../oci/reference.ts'
import { canonicalUpstream, DOCKER_HUB, tagOrDigestText } from '../oci/reference.ts'
import type { Answer } from './answer.ts'
import { jsonAnswer, withHeaders } from './answer.ts'
import { answerBlob } from './blob-route.ts'
import { FoundAt } from './found-at.ts'
import { answerManifest } from './manifest-route.ts'
import { cannotServe, contentRoute, ociError } from './oci-error.ts'
import { outcomeInTime } from './outcome.ts'
import { clientProof, ownTokenDocument } from './own-token.ts'
import { PROBE_REPOSITORY, probeAnswer } from './probe-image.ts'
import { ProofDemand, unproven } from './proof-demand.ts'
import type { PullPath } from './pull-path.ts'
import { isUnderApi, parsePullPath } from './pull-path.ts'
import type { PullQuery } from './pull-query.ts'
import { parsePullQuery } from './pull-query.ts'
import { answerReferrers } from './referrers-route.ts'
import type { RouteContext } from './route-context.ts'
import { answerTags } from './tags-route.ts'
import { chooseUpstreams, hubUpstreams, unknownRegistry } from './upstream-choice.ts'

/** A request reduced to what decides its answer. */
interface PullRequest {
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

/** What a request is about, for who watches pulls. */
export interface Subject {
  /** As the client asked: a name, or something else. */
  readonly name: string
  /** Where it was found, or looked for first; empty where nobody was asked. */
  readonly upstream: string
  readonly repository: string
  /** Of an image. */
  readonly part?:
    | { readonly kind: 'manifest'; readonly target: TagOrDigest }
    | { readonly kind: 'blob'; readonly digest: Digest }
    | undefined
}

interface Answered {
  readonly route: RouteLabel
  readonly answer: Answer
  readonly subject: Subject
}

/** What asks the content service. */
type ContentPath = Exclude<PullPath, { route: 'base' | 'token' }>

interface PullApiDeps {
  readonly content: ContentService
  readonly clock: Clock
  readonly logger: Logger
}

interface PullApiOptions {
  readonly search: readonly string[]
  readonly guard: HostGuard
  /** What this host calls itself to other Shoals. */
  readonly hopName: string
}

/** The pull API as a function from request to answer; knows nothing of sockets. */
export class PullApi {
  readonly #deps: PullApiDeps
  readonly #search: readonly string[]
  readonly #hopName: string
  readonly #mayBeMeant: HostGuard
  readonly #foundAt: FoundAt
  readonly #proofs: ProofDemand

  constructor(deps: PullApiDeps, options: PullApiOptions) {
    this.#deps = deps
    this.#search = options.search
    this.#hopName = options.hopName
    this.#mayBeMeant = options.guard
    this.#foundAt = new FoundAt(deps.clock)
    this.#proofs = new ProofDemand(deps)
  }

  /**
   * The answer to a request, with the route it took. Rejects only with the reason of `request.client`: whatever else
   * goes wrong inside is logged and becomes a 404, on which every runtime goes on to its next endpoint.
   */
  async answer(request: PullRequest): Promise<Answered> {
    const subject: Subject = { name: request.target, upstream: '', repository: '' }
    const question = request.target.indexOf('?')
    const rawPath = question < 0 ? request.target : request.target.slice(0, question)
    const refused = this.#refuse(request, rawPath)
    if (refused !== undefined) return { route: 'other', answer: refused, subject }
    const path = parsePullPath(rawPath)
    if (path.route === 'none')
      return { route: 'other', answer: ociError(path.status, path.code, path.message), subject }
    const query = parsePullQuery(question < 0 ? '' : request.target.slice(question + 1))
    if ('code' in query) return { route: path.route, answer: ociError(400, query.code, query.message), subject }
    try {
      const hops = parseHops(request.headers[HOPS_HEADER]) ?? []
      const { answer, ref } = await withHops(hops, () => this.#answer(path, query, request))
      return {
        route: path.route,
        answer: query.ns === undefined ? answer : withHeaders(answer, { 'OCI-Namespace': query.ns }),
        subject: subjectOf(path, query.ns, ref) ?? subject,
      }
    } catch (error) {
      request.client.throwIfAborted()
      this.#deps.logger.error({ err: error, route: path.route }, 'a mirror request failed inside; answered 404')
      return { route: path.route, answer: cannotServe(contentRoute(path.route), 'failed inside'), subject }
    }
  }

  /** With where the content was found, or looked for first. */
  async #answer(path: PullPath, query: PullQuery, request: PullRequest): Promise<Routed> {
    if (path.route === 'base') return { answer: await this.#base(query, request) }
    if (path.route !== 'token') return this.#pull(path, query, request)
    return { answer: this.#token(request) }
  }

  #token({ headers }: PullRequest): Answer {
    if (!this.#deps.content.asksClients()) return ociError(404, 'UNSUPPORTED', 'no upstream asks for a proof')
    return jsonAnswer(200, ownTokenDocument(headers.authorization), { 'Cache-Control': 'no-store' })
  }

  /** What is refused before its path is looked into. */
  #refuse(request: PullRequest, rawPath: string): Answer | undefined {
    const { method, headers } = request
    if (!request.hostStated) return ociError(400, 'UNSUPPORTED', 'HTTP/1.1 needs a Host header')
    // 404 rather than 421: a runtime configured with a name this server does not know still goes on to the registry.
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
    // only another Shoal sends this, which knows a failure from an "unknown" (edge case 16)
    const circle = hopsRefusal(parseHops(headers[HOPS_HEADER]) ?? [], this.#hopName)
    return circle === undefined ? undefined : ociError(508, 'UNAVAILABLE', circle)
  }

  /** GET /v2/: runtimes decide by it whether there is a mirror at all, so it waits for nobody unless it must challenge. */
  async #base(query: PullQuery, request: PullRequest): Promise<Answer> {
    const { content, clock } = this.#deps
    const own = this.#proofs.own(query.ns, request.headers)
    if (own !== undefined) return request.headers.authorization === undefined ? unproven(own) : jsonAnswer(200, {})
    const named = query.ns === undefined ? DOCKER_HUB : canonicalUpstream(query.ns)
    const knows = (upstream: string): boolean => content.knows(upstream)
    const canonical = named === DOCKER_HUB ? hubUpstreams({ search: this.#search, knows })[0] : named
    if (canonical !== undefined && request.headers.authorization === undefined && content.knows(canonical)) {
      const outcome = await outcomeInTime((signal) => content.challenge(canonical, signal), clock, request.client)
      if (outcome !== undefined && !isRefused(outcome)) return unproven(outcome)
    }
    return jsonAnswer(200, {})
  }

  async #pull(path: ContentPath, query: PullQuery, request: PullRequest): Promise<Routed> {
    const { content, clock } = this.#deps
    const knows = (upstream: string): boolean => content.knows(upstream)
    const proof = clientProof(request.headers.authorization)
    const candidates = chooseUpstreams(path.name, query.ns, proof, { search: this.#search, knows })
    const stranger = unknownRegistry(path.name, query.ns, knows)
    if (candidates.length === 0) {
      const why = stranger === undefined ? 'no configured upstream has this name' : `no upstream is called ${stranger}`
      return { answer: ociError(404, 'NAME_UNKNOWN', why) }
    }
    const probed = candidates.find(({ repository }) => repository === PROBE_REPOSITORY)
    if (probed !== undefined) return { answer: probeAnswer(path), ref: probed }
    const byDigest = path.route === 'blobs' || (path.route === 'manifests' && path.target.kind === 'digest')
    const ordered = byDigest ? this.#foundAt.order(path.name, candidates) : candidates
    let ref = ordered[0]
    const context: RouteContext = {
      content,
      clock,
      head: request.method === 'HEAD',
      asker: request.headers[HOPS_HEADER] === undefined ? 'runtime' : 'mirror',
      headers: request.headers,
      query,
      candidates: ordered,
      foundAt: (found) => {
        ref = found
        this.#foundAt.note(path.name, found)
      },
      client: request.client,
      adopt: request.adopt,
    }
    const upstream = candidates[0]?.upstream ?? ''
    const answer = sayStranger(await this.#route(path, context), stranger)
    const asked = { upstream, ns: query.ns, name: path.name }
    return { answer: this.#proofs.rephrase(answer, asked, request.headers), ref }
  }

  #route(path: ContentPath, context: RouteContext): Promise<Answer> {
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

interface Routed {
  readonly answer: Answer
  readonly ref?: ClientRef | undefined
}

/** A name that begins with a registry nobody has configured is taken for a path at those that are: which explains most of its 404s. */
function sayStranger(answer: Answer, stranger: string | undefined): Answer {
  const { status, refused } = answer
  if (stranger === undefined || status !== 404 || refused === undefined) return answer
  return ociError(status, refused.code, `no upstream is called ${stranger}, and ${refused.message}`, {})
}

/** Undefined for what is about no content. */
function subjectOf(path: PullPath, ns: string | undefined, ref: ClientRef | undefined): Subject | undefined {
  if (path.route === 'base' || path.route === 'token') return undefined
  const asked = ns === undefined ? path.name : `${ns}/${path.name}`
  const { upstream, repository } = ref ?? { upstream: '', repository: '' }
  switch (path.route) {
    case 'manifests': {
      const { target } = path
      const name = `${asked}${target.kind === 'tag' ? ':' : '@'}${tagOrDigestText(target)}`
      return { name, upstream, repository, part: { kind: 'manifest', target } }
    }
    case 'blobs':
      return { name: `${asked}@${path.digest}`, upstream, repository, part: { kind: 'blob', digest: path.digest } }
    case 'tags':
    case 'referrers':
      return { name: asked, upstream, repository }
  }
}
