import { addressText, isLoopback } from '../base/address.ts'
import { canonicalUpstream } from '../oci/reference.ts'
import { accessOf, hasRegistryCredentials } from './access.ts'
import { ANY_UPSTREAM, checkAnyUpstream } from './any-upstream.ts'
import type { Problem } from './problem.ts'
import type { Settings } from './schema.ts'

/** What must hold between keys. Takes the sections that are right in themselves, so that one mistake hides no other. */
export function crossCheck(settings: Partial<Settings>): Problem[] {
  return [
    ...checkServers(settings),
    ...checkOpenMirror(settings),
    ...checkFleet(settings),
    ...checkNames(settings),
    ...(settings.upstreams ?? []).flatMap(checkAnyUpstream),
    ...checkAccess(settings),
    ...checkHooks(settings),
  ]
}

function checkServers({ peer, admin, fleet }: Partial<Settings>): Problem[] {
  const problems: Problem[] = []
  if (admin !== undefined && admin.tokenFile === null && !isLoopback(admin.listen.host)) {
    const message = `${addressText(admin.listen)} can be reached from other machines; set admin.tokenFile, or listen on 127.0.0.1`
    problems.push({ path: ['admin', 'listen'], message })
  }
  if (peer === undefined || fleet === undefined || peer.listen === 'auto' || fleet.keyFile !== null) return problems
  if (!isLoopback(peer.listen.host)) {
    const message = `${addressText(peer.listen)} can be reached from other machines; set fleet.keyFile (shoal fleet-key makes one), or listen on 127.0.0.1`
    problems.push({ path: ['peer', 'listen'], message })
  }
  return problems
}

/** Who can reach the mirror has the fleet's own rights: only somebody who says so may lend them to a whole network. */
function checkOpenMirror({ mirror, upstreams }: Partial<Settings>): Problem[] {
  if (mirror === undefined || upstreams === undefined || mirror.open || isLoopback(mirror.listen.host)) return []
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
function lentRights(upstream: Upstream): string | undefined {
  const access = accessOf(upstream)
  if (access === 'passthrough') return undefined
  if (access === 'node') return upstream.access === 'node' ? 'access: node' : 'credentials'
  // a bucket is read with keys or with the machine's own role, hardly ever as anybody
  const isPrivate = upstream.origins.some((origin) => origin.kind === 's3' && origin.credentials !== 'anonymous')
  return isPrivate ? 'an s3 bucket' : undefined
}

/** What a fleet's credentials need of each other; what is in the files is looked at when they are read. */
function checkFleet({ role, tier, fleet }: Partial<Settings>): Problem[] {
  if (fleet === undefined) return []
  const { authorities, keyFile, credential, credentialKey, revocations, acceptCacheKeys } = fleet
  const problem = (key: string, message: string): Problem => ({ path: ['fleet', key], message })
  if (authorities.length === 0) {
    const without = 'means nothing without fleet.authorities'
    if (credential !== null) return [problem('credential', without)]
    if (revocations !== null) return [problem('revocations', without)]
    return acceptCacheKeys ? [problem('acceptCacheKeys', without)] : []
  }
  if (keyFile === null) {
    return [
      problem('authorities', 'needs fleet.keyFile: a certificate does not make a member (shoal fleet init makes both)'),
    ]
  }
  if (credential === null && credentialKey !== null)
    return [problem('credentialKey', 'means nothing without fleet.credential')]
  if (role !== 'cache' || credential !== null || acceptCacheKeys) return []
  const mend = `shoal fleet certify cache --region ${tier?.region ?? 'REGION'} makes one`
  return [problem('credential', `role "cache" needs a credential where the fleet has an authority; ${mend}`)]
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
    if (known.has(canonicalUpstream(name)) || known.has(ANY_UPSTREAM)) continue
    const message = `"${name}" is no configured upstream; allowed: ${[...known].join(', ')}`
    problems.push({ path: ['search', index], message })
  }
  return problems
}

/** Only a registry can tell whether a client's token is good; and credentials that would never be used are a mistake. */
function checkAccess({ upstreams }: Partial<Settings>): Problem[] {
  return (upstreams ?? []).flatMap((upstream, index) => {
    const problem = accessProblem(upstream)
    return problem === undefined ? [] : [{ path: ['upstreams', index, 'access'], message: problem }]
  })
}

function accessProblem(upstream: Upstream): string | undefined {
  const { access, origins } = upstream
  // said by checkAnyUpstream
  if (upstream.name === ANY_UPSTREAM) return undefined
  if (access === 'passthrough' && origins.some(({ kind }) => kind !== 'registry')) {
    return 'passthrough needs origins of kind registry only: others cannot check a client; allowed: public, node'
  }
  if (access === null || access === 'node' || !hasRegistryCredentials(upstream)) return undefined
  return `${access} would never use the credentials of its registry; allowed: node, or no credentials`
}

/** A hook's upstream must be there, and be one whose content the fleet may fetch in its own name. */
function checkHooks({ upstreams, prewarm }: Partial<Settings>): Problem[] {
  if (upstreams === undefined) return []
  const access = new Map(upstreams.map((upstream) => [canonicalUpstream(upstream.name), accessOf(upstream)]))
  return (prewarm?.hooks ?? []).flatMap(({ upstream }, index) => {
    if (upstream === null) return []
    const found = access.get(canonicalUpstream(upstream))
    const path = ['prewarm', 'hooks', index, 'upstream']
    if (found === undefined && !access.has(ANY_UPSTREAM)) {
      return [{ path, message: `"${upstream}" is no configured upstream; allowed: ${[...access.keys()].join(', ')}` }]
    }
    if (found !== 'passthrough') return []
    return [
      { path, message: `"${upstream}" is passthrough: what only clients may read cannot be fetched before they ask` },
    ]
  })
}
