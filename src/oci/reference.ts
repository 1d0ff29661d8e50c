import { ShoalError } from '../base/errors.ts'
import type { Digest } from './digest.ts'
import { parseDigest } from './digest.ts'

// OCI distribution-spec, "Pulling manifests": the grammars of <name> and <reference>.
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?$/i
const MAX_NAME_LENGTH = 255

/** A tag or a digest, told apart. */
export type TagOrDigest =
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'digest'; readonly digest: Digest }

/** An upstream and a repository in it, canonical. */
export interface RepositoryRef {
  readonly upstream: string
  readonly repository: string
}

/** What a user writes to name an image: registry host, repository, and a tag or digest. */
export interface Reference extends RepositoryRef {
  readonly target: TagOrDigest
}

export interface BlobRef extends RepositoryRef {
  readonly digest: Digest
}

export interface TagRef extends RepositoryRef {
  readonly tag: string
}

/** One line for keys and messages. */
export function blobName({ upstream, repository, digest }: BlobRef): string {
  return `${upstream}/${repository}@${digest}`
}

export function tagName({ upstream, repository, tag }: TagRef): string {
  return `${upstream}/${repository}:${tag}`
}

/** The tag that a reference names, if it does not name a digest. */
export function tagOf({ upstream, repository, target }: Reference): TagRef | undefined {
  return target.kind === 'tag' ? { upstream, repository, tag: target.tag } : undefined
}

export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH && NAME.test(text)
}

/**
 * Whether `text` is a repository's name as a mirror's path has it: alone, or behind its registry, which may have what no name
 * has: a port, capitals, an IPv6 address (`host:5000/team/app`).
 */
export function isPathName(text: string): boolean {
  if (isRepositoryName(text)) return true
  const slash = text.indexOf('/')
  return pathRegistry(text.slice(0, Math.max(slash, 0))) !== undefined && isRepositoryName(text.slice(slash + 1))
}

/**
 * The registry that the first component of such a path may stand for, canonical; undefined for what is no host. A `_` stands
 * for the colon that names may not have (`host_5000`): no registry's name has one.
 */
export function pathRegistry(component: string): string | undefined {
  const host = component.replace(/_([0-9]{1,5})$/, ':$1')
  return looksLikeHost(host) && isRegistryHost(host) ? canonicalUpstream(host) : undefined
}

export function isTag(text: string): boolean {
  return TAG.test(text)
}

/** Whether `text` can be a registry's `host[:port]`. */
export function isRegistryHost(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH && HOST.test(text)
}

/** Whether the first part of an image name is a registry host rather than a repository's first component. */
export function looksLikeHost(part: string): boolean {
  return part === 'localhost' || part.includes('.') || part.includes(':')
}

export function parseTagOrDigest(text: string): TagOrDigest | undefined {
  if (text.includes(':')) {
    const digest = parseDigest(text)
    return digest === undefined ? undefined : { kind: 'digest', digest }
  }
  return isTag(text) ? { kind: 'tag', tag: text } : undefined
}

export function tagOrDigestText(target: TagOrDigest): string {
  return target.kind === 'tag' ? target.tag : target.digest
}

/** What Docker Hub is called here. */
export const DOCKER_HUB = 'docker.io'
const HUB_HOSTS: ReadonlySet<string> = new Set([
  DOCKER_HUB,
  'index.docker.io',
  'registry-1.docker.io',
  'registry.hub.docker.com',
])

/** One name for the four Docker Hub goes by; other hosts in lower case, without the default port or the root's dot. */
export function canonicalUpstream(host: string): string {
  const bare = host.toLowerCase().replace(/:443$/, '').replace(/\.$/, '')
  return HUB_HOSTS.has(bare) ? DOCKER_HUB : bare
}

/** Docker Hub's official images live under `library/`; nobody else has such a rule. */
export function canonicalRepository(upstream: string, repository: string): string {
  return upstream === 'docker.io' && !repository.includes('/') ? `library/${repository}` : repository
}

/**
 * Parses `[host/]repository[:tag][@digest]`. A missing host is `defaultUpstream`, a missing tag `latest`; a digest
 * wins over a tag. `knows`: upstreams that are called by a plain word, which counts as a host then. Throws
 * `REFERENCE_INVALID` naming the part that is wrong.
 */
export function parseReference(
  text: string,
  defaultUpstream: string,
  knows: (upstream: string) => boolean = () => false,
): Reference {
  const at = text.indexOf('@')
  const beforeDigest = at < 0 ? text : text.slice(0, at)
  const slash = beforeDigest.indexOf('/')
  const first = beforeDigest.slice(0, Math.max(slash, 0))
  const hasHost = slash > 0 && (looksLikeHost(first) || knows(first))
  const upstream = canonicalUpstream(hasHost ? first : defaultUpstream)
  const rest = hasHost ? beforeDigest.slice(slash + 1) : beforeDigest
  const colon = rest.lastIndexOf(':')
  const repository = canonicalRepository(upstream, colon < 0 ? rest : rest.slice(0, colon))
  const target = parseTagOrDigest(at >= 0 ? text.slice(at + 1) : colon < 0 ? 'latest' : rest.slice(colon + 1))
  if (!isRegistryHost(upstream)) {
    throw new ShoalError('REFERENCE_INVALID', `"${text}": "${upstream}" is no registry host`)
  }
  if (!isRepositoryName(repository)) {
    throw new ShoalError(
      'REFERENCE_INVALID',
      `"${text}": "${repository}" is no repository name (lower case, a-z0-9._-/)`,
    )
  }
  if (target === undefined || (at >= 0 && target.kind !== 'digest')) {
    throw new ShoalError('REFERENCE_INVALID', `"${text}": what follows the repository is neither a tag nor a digest`)
  }
  return { upstream, repository, target }
}

/**
 * A reference that reads the same wherever it is read, with any default upstream: one that is called by a plain word has
 * the root's dot behind it (`local./team/app`), by which it is a host like any other.
 */
export function wholeReferenceText(reference: Reference): string {
  const { upstream } = reference
  return referenceText(looksLikeHost(upstream) ? reference : { ...reference, upstream: `${upstream}.` })
}

/** As people read it. */
export function referenceText(reference: Reference): string {
  const separator = reference.target.kind === 'tag' ? ':' : '@'
  return `${reference.upstream}/${reference.repository}${separator}${tagOrDigestText(reference.target)}`
}
