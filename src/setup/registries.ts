import { canonicalUpstream, DOCKER_HUB, isRegistryHost, looksLikeHost } from '../oci/reference.ts'
import { ANY_REGISTRY } from './interface.ts'

/**
 * The registries that a runtime is sent to the mirror for, out of the agent's upstreams. An upstream called by a plain
 * word is no registry's name: runtimes get to it by Docker Hub's, where it is searched.
 */
export function mirroredRegistries(upstreams: readonly string[], search: readonly string[]): readonly string[] {
  const named = upstreams.filter((name) => name === ANY_REGISTRY || looksLikeHost(name))
  const isWordSearched = search.some(
    (name) => upstreams.includes(name) && !looksLikeHost(name) && name !== ANY_REGISTRY,
  )
  return [...new Set([...named, ...(isWordSearched ? [DOCKER_HUB] : [])])]
}

/** `--registry` as it is used here; undefined for what is no registry. */
export function parseRegistry(text: string): string | undefined {
  if (text === ANY_REGISTRY || text === '_default') return ANY_REGISTRY
  const isRegistry = isRegistryHost(text) && looksLikeHost(text)
  return isRegistry ? canonicalUpstream(text) : undefined
}
