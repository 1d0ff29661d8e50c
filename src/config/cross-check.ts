import { canonicalUpstream } from '../oci/reference.ts'
import type { Problem } from './problem.ts'
import type { Settings } from './schema.ts'
import { addressText, isLoopbackHost } from './value-types.ts'

/** What must hold between keys. Takes the sections that are right in themselves, so that one mistake hides no other. */
export function crossCheck(settings: Partial<Settings>): Problem[] {
  return [
    ...checkDoors(settings),
    ...checkOpenMirror(settings),
    ...checkNames(settings),
    ...checkAccess(settings),
    ...checkHooks(settings),
  ]
}

function checkDoors({ peer, admin, fleet }: Partial<Settings>): Problem[] {
  const problems: Problem[] = []
  if (admin !== undefined && admin.tokenFile === null && !isLoopbackHost(admin.listen.host)) {
    const message = `${addressText(admin.listen)} can be reached from other machines; set admin.tokenFile, or listen on 127.0.0.1`
    problems.push({ path: ['admin', 'listen'], message })
  }
  if (peer === undefined || fleet === undefined || peer.listen === 'auto' || fleet.keyFile !== null) return problems
  if (!isLoopbackHost(peer.listen.host)) {
    const message = `${addressText(peer.listen)} can be reached from other machines; set fleet.keyFile (shoal fleet-key makes one), or listen on 127.0.0.1`
    problems.push({ path: ['peer', 'listen'], message })
  }
  return problems
}

/** Who can reach the mirror has the fleet's own rights: only somebody who says so may lend them to a whole network. */
function checkOpenMirror({ mirror, upstreams }: Partial<Settings>): Problem[] {
  if (mirror === undefined || upstreams === undefined || mirror.open || isLoopbackHost(mirror.listen.host)) return []
  const lent = upstreams.flatMap((upstream) => {
    const rights = lentRights(upstream)
    return rights === undefined ? [] : [`${upstream.name} (${rights})`]
  })
  if (lent.length === 0) return []
  const message = `${addressText(mirror.listen)} can be reached from other machines, and ${lent.join(', ')} would be served to all of them without a check; listen on 127.0.0.1, or set mirror.open: true if everybody there may read it`
  return [{ path: ['mirror', 'listen'], message }]
}

type Upstream = Settings['upstreams'][number]

/** By which rights of this host an upstream is read, other than anybody's or the client's own. */
function lentRights({ access, origins }: Upstream): string | undefined {
  if (access === 'passthrough') return undefined
  if (access === 'node') return 'access: node'
  // a bucket is read with keys or with the machine's own role, never as anybody
  if (origins.some(({ kind }) => kind === 's3')) return 'an s3 bucket'
  const hasCredentials = origins.some((origin) => origin.kind === 'registry' && origin.credentials !== null)
  return hasCredentials ? 'credentials' : undefined
}

function checkNames({ upstreams, search }: Partial<Settings>): Problem[] {
  if (upstreams === undefined) return []
  const problems: Problem[] = []
  const known = new Set<string>()
  for (const [index, upstream] of upstreams.entries()) {
    const name = canonicalUpstream(upstream.name)
    if (known.has(name)) {
      const message = `${name} is there twice; put all its origins under one entry`
      problems.push({ path: ['upstreams', index, 'name'], message })
    }
    known.add(name)
  }
  for (const [index, name] of (search ?? []).entries()) {
    if (known.has(canonicalUpstream(name))) continue
    const message = `"${name}" is no configured upstream; allowed: ${[...known].join(', ')}`
    problems.push({ path: ['search', index], message })
  }
  return problems
}

/** Only a registry can tell whether a client's token is good; bytes from elsewhere would need no proof. */
function checkAccess({ upstreams }: Partial<Settings>): Problem[] {
  return (upstreams ?? []).flatMap(({ access, origins }, index) => {
    if (access !== 'passthrough' || origins.every(({ kind }) => kind === 'registry')) return []
    const message =
      'passthrough needs origins of kind registry only: others cannot check a client; allowed: public, node'
    return [{ path: ['upstreams', index, 'access'], message }]
  })
}

/** A hook's upstream must be there, and be one whose content the fleet may fetch in its own name. */
function checkHooks({ upstreams, prewarm }: Partial<Settings>): Problem[] {
  if (upstreams === undefined) return []
  const access = new Map(upstreams.map((upstream) => [canonicalUpstream(upstream.name), upstream.access]))
  return (prewarm?.hooks ?? []).flatMap(({ upstream }, index) => {
    if (upstream === null) return []
    const found = access.get(canonicalUpstream(upstream))
    const path = ['prewarm', 'hooks', index, 'upstream']
    if (found === undefined) {
      return [{ path, message: `"${upstream}" is no configured upstream; allowed: ${[...access.keys()].join(', ')}` }]
    }
    if (found !== 'passthrough') return []
    return [
      { path, message: `"${upstream}" is passthrough: what only clients may read cannot be fetched before they ask` },
    ]
  })
}
