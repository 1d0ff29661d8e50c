import type { RepositoryRef } from '../blob/interface.ts'
import { canonicalRepository, canonicalUpstream, looksLikeHost } from '../oci/reference.ts'

export interface ChoiceRules {
  /** Upstreams asked, in order, for a name that does not say where it lives. */
  readonly search: readonly string[]
  readonly knows: (upstream: string) => boolean
}

/**
 * Who to ask for `name`, in order; empty when nobody may be asked. `ns` decides alone; else a first component that
 * is a known upstream (`registry.corp/app`, and `host_5000/app` for `host:5000`, a colon being illegal in names);
 * else the search order. Only configured upstreams are ever asked: `ns` and paths come from anyone.
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
  if (ns !== undefined) {
    const upstream = canonicalUpstream(ns)
    return rules.knows(upstream) ? [refer(upstream, name)] : []
  }
  const slash = name.indexOf('/')
  if (slash > 0) {
    const upstream = prefixUpstream(name.slice(0, slash))
    if (upstream !== undefined && rules.knows(upstream)) return [refer(upstream, name.slice(slash + 1))]
  }
  return rules.search
    .map(canonicalUpstream)
    .filter(rules.knows)
    .map((upstream) => refer(upstream, name))
}

/** The upstream a name's first component may stand for. */
function prefixUpstream(component: string): string | undefined {
  const host = component.replace(/_([0-9]{1,5})$/, ':$1')
  return looksLikeHost(host) ? canonicalUpstream(host) : undefined
}
