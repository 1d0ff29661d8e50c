import type { ClientRef } from '../blob/interface.ts'
import {
  canonicalRepository,
  canonicalUpstream,
  DOCKER_HUB,
  isRepositoryName,
  looksLikeHost,
  pathRegistry,
} from '../oci/reference.ts'

interface ChoiceRules {
  /** Upstreams asked, in order, for a name that does not say where it lives, and for Docker Hub's. */
  readonly search: readonly string[]
  readonly knows: (upstream: string) => boolean
}

/** A repository at a registry, or at whoever is searched. */
interface Named {
  readonly upstream: string | undefined
  readonly repository: string
}

/**
 * Who to ask for `name`, in order; empty when nobody may be asked. One rule for all clients:
 *
 * 1. `ns` says which registry is meant. A first component that repeats it is taken off: some clients send both.
 * 2. Without `ns`, a first component that is a known upstream, or Docker Hub, says so: as it is written in references
 *    (`registry.corp/app`, `host:5000/app`), or with `_` for the colon that names may not have (`host_5000/app`).
 * 3. What is Docker Hub's is that without a registry, however a client says so, and both go by the search order, then
 *    to docker.io itself. A first component that is an upstream called by a plain word is tried before.
 *
 * Only known upstreams are ever asked: `ns` and paths come from anyone.
 */
export function chooseUpstreams(
  name: string,
  ns: string | undefined,
  authorization: string | undefined,
  rules: ChoiceRules,
): readonly ClientRef[] {
  const named = ns === undefined ? namedByPath(name, rules) : namedByNs(name, canonicalUpstream(ns))
  return candidates(named, rules)
    .filter(({ upstream, repository }) => rules.knows(upstream) && isRepositoryName(repository))
    .map(({ upstream, repository }) => ({
      upstream,
      repository: canonicalRepository(upstream, repository),
      authorization,
    }))
}

/** The upstreams that stand for Docker Hub and for names without a registry, in order. */
export function hubUpstreams({ search, knows }: ChoiceRules): readonly string[] {
  return [...new Set([...search.map(canonicalUpstream), DOCKER_HUB])].filter(knows)
}

/** The registry that a client's name names and that is no upstream here; undefined where it names none, or a known one. */
export function unknownRegistry(
  name: string,
  ns: string | undefined,
  knows: (upstream: string) => boolean,
): string | undefined {
  const [first, rest] = split(name)
  const named = ns === undefined ? (rest === '' ? undefined : pathRegistry(first)) : canonicalUpstream(ns)
  return named === undefined || named === DOCKER_HUB || knows(named) ? undefined : named
}

function candidates({ upstream, repository }: Named, rules: ChoiceRules): { upstream: string; repository: string }[] {
  if (upstream !== undefined && upstream !== DOCKER_HUB) return [{ upstream, repository }]
  const [first, rest] = split(repository)
  const word = rest !== '' && !looksLikeHost(first) ? [{ upstream: first, repository: rest }] : []
  return [...word, ...hubUpstreams(rules).map((one) => ({ upstream: one, repository }))]
}

function namedByNs(name: string, upstream: string): Named {
  const [first, rest] = split(name)
  const repeats = rest !== '' && (pathRegistry(first) === upstream || first === upstream)
  return { upstream, repository: repeats ? rest : name }
}

function namedByPath(name: string, { knows }: ChoiceRules): Named {
  const [first, rest] = split(name)
  const host = pathRegistry(first)
  const isNamed = host !== undefined && rest !== '' && (knows(host) || host === DOCKER_HUB)
  return isNamed ? { upstream: host, repository: rest } : { upstream: undefined, repository: name }
}

function split(name: string): readonly [first: string, rest: string] {
  const slash = name.indexOf('/')
  return slash < 0 ? [name, ''] : [name.slice(0, slash), name.slice(slash + 1)]
}
