import type { RepositoryRef } from '../blob/interface.ts'
import { canonicalRepository, canonicalUpstream, DOCKER_HUB, looksLikeHost } from '../oci/reference.ts'

export interface ChoiceRules {
  /** Upstreams asked, in order, for a name that does not say where it lives, and for Docker Hub's. */
  readonly search: readonly string[]
  readonly knows: (upstream: string) => boolean
}

/**
 * Who to ask for `name`, in order; empty when nobody may be asked. `ns` says which registry is meant (a first component
 * that repeats it is taken off: some clients send both); else a first component that is a known upstream does
 * (`registry.corp/app`, and `host_5000/app` for `host:5000`, a colon being illegal in names). Docker Hub's names are those
 * without a registry, however a client says so: they go by the search order, then to docker.io itself. Only configured
 * upstreams are ever asked: `ns` and paths come from anyone.
 */
export function chooseUpstreams(
  name: string,
  ns: string | undefined,
  authorization: string | undefined,
  rules: ChoiceRules,
): readonly RepositoryRef[] {
  const refer = (upstream: string, repository: string): RepositoryRef => ({
    upstream,
    repository: canonicalRepository(upstream, repository),
    authorization,
  })
  const { upstream, repository } = named(name, ns, rules)
  if (upstream !== undefined && upstream !== DOCKER_HUB) {
    return rules.knows(upstream) ? [refer(upstream, repository)] : []
  }
  return [...wordUpstream(repository, rules), ...hubUpstreams(rules).map((one) => [one, repository] as const)].map(
    ([one, rest]) => refer(one, rest),
  )
}

/** The upstreams that stand for Docker Hub and for names without a registry, in order. */
export function hubUpstreams({ search, knows }: ChoiceRules): readonly string[] {
  const order = [...search.map(canonicalUpstream), ...(search.length === 0 ? [] : [DOCKER_HUB])]
  return [...new Set(order)].filter(knows)
}

/** Which registry a request names, if it names one, and what it asks for there. */
function named(name: string, ns: string | undefined, rules: ChoiceRules) {
  const [first, rest] = split(name)
  const host = prefixUpstream(first)
  if (ns === undefined) {
    const isNamed = host !== undefined && rest !== '' && (rules.knows(host) || host === DOCKER_HUB)
    return isNamed ? { upstream: host, repository: rest } : { upstream: undefined, repository: name }
  }
  const upstream = canonicalUpstream(ns)
  return { upstream, repository: host === upstream && rest !== '' ? rest : name }
}

/** An upstream that is called by a plain word, which only a configured one is. */
function wordUpstream(name: string, { knows }: ChoiceRules): (readonly [upstream: string, repository: string])[] {
  const [first, rest] = split(name)
  return rest !== '' && !looksLikeHost(first) && knows(first) ? [[first, rest]] : []
}

function split(name: string): readonly [first: string, rest: string] {
  const slash = name.indexOf('/')
  return slash < 0 ? [name, ''] : [name.slice(0, slash), name.slice(slash + 1)]
}

/** The upstream a name's first component may stand for. */
function prefixUpstream(component: string): string | undefined {
  const host = component.replace(/_([0-9]{1,5})$/, ':$1')
  return looksLikeHost(host) ? canonicalUpstream(host) : undefined
}
