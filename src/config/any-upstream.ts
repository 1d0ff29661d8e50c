import type { Problem } from './problem.ts'
import type { Settings } from './schema.ts'

type Upstream = Settings['upstreams'][number]

/** The upstream that stands for every registry that is not configured. */
export const ANY_UPSTREAM = '*'
/** Where an origin's url has the registry that is meant. */
const UPSTREAM_PLACE = '{upstream}'
const STRAIGHT = `https://${UPSTREAM_PLACE}`

/** Whether a registry's url leads to the registry that is meant, whichever it is. */
export function isStraightUrl(text: string): boolean {
  return text.replace(/\/+$/, '') === STRAIGHT
}

/** What "*" may be: registries nobody has written down are asked as anybody would ask them, with no right of this host's. */
export function checkAnyUpstream(upstream: Upstream, index: number): Problem[] {
  const { name, access, origins, signatures } = upstream
  const problem = (key: string, message: string): Problem => ({ path: ['upstreams', index, key], message })
  if (name !== ANY_UPSTREAM) {
    if (origins.length === 0) return [problem('origins', 'is missing; allowed: a list of at least one origin')]
    const straight = origins.some((origin) => origin.kind === 'registry' && isStraightUrl(origin.url))
    return straight ? [problem('origins', `${STRAIGHT} is for the upstream "*" only; write this one's own url`)] : []
  }
  if (access !== null && access !== 'public') {
    return [problem('access', `"*" is public: ${access} needs an upstream of its own for each registry`)]
  }
  if (signatures !== null) {
    return [
      problem('signatures', '"*" has no keys: each registry whose images must be signed needs an upstream of its own'),
    ]
  }
  if (origins.some(({ kind }) => kind !== 'registry')) {
    return [problem('origins', `"*" can have origins of kind registry only; allowed: ${STRAIGHT}, or a mirror's url`)]
  }
  const given = origins.some((origin) => origin.kind === 'registry' && origin.credentials !== null)
  if (given) return [problem('origins', '"*" has no credentials: whoever a request names would be given them')]
  const named = origins.some((origin) => origin.kind === 'registry' && origin.namespace !== null)
  return named ? [problem('origins', '"*" sets namespace to the registry that a request names; leave it out')] : []
}
