import { isRegistryHost, isTag } from '../oci/reference.ts'
import type { OciErrorCode } from './oci-error.ts'

/** The query parameters the pull API knows, checked; all others are ignored. */
export interface PullQuery {
  /** The registry the client means (`ns`), as it wrote it. */
  readonly ns: string | undefined
  /** Page size of tags/list, at most `MAX_TAGS_PER_PAGE`. */
  readonly limit: number | undefined
  /** tags/list: give the tags after this one. */
  readonly after: string | undefined
  readonly artifactType: string | undefined
}

interface QueryProblem {
  readonly code: OciErrorCode
  readonly message: string
}

/** A longer page is cut short, with a link to the rest; the spec only forbids pages longer than asked for. */
export const MAX_TAGS_PER_PAGE = 10_000
const MAX_ARTIFACT_TYPE_LENGTH = 255

export function parsePullQuery(query: string): PullQuery | QueryProblem {
  const parameters = new URLSearchParams(query)
  const namespaces = parameters.getAll('ns')
  // Two different answers to "which registry?" must not depend on who reads them in which order.
  if (namespaces.length > 1) return { code: 'NAME_INVALID', message: 'ns is given more than once' }
  const ns = namespaces[0]
  if (ns !== undefined && !isRegistryHost(ns)) return { code: 'NAME_INVALID', message: 'ns is not a registry host' }
  const n = parameters.get('n')
  if (n !== null && !/^[0-9]{1,15}$/.test(n)) {
    return { code: 'PAGINATION_NUMBER_INVALID', message: 'n is not a number of tags' }
  }
  const last = parameters.get('last')
  if (last !== null && last !== '' && !isTag(last)) {
    return { code: 'PAGINATION_NUMBER_INVALID', message: 'last is not a tag' }
  }
  const artifactType = parameters.get('artifactType')
  if (artifactType !== null && artifactType.length > MAX_ARTIFACT_TYPE_LENGTH) {
    return { code: 'UNSUPPORTED', message: 'artifactType is too long' }
  }
  return {
    ns,
    limit: n === null ? undefined : Math.min(Number(n), MAX_TAGS_PER_PAGE),
    after: last === null || last === '' ? undefined : last,
    artifactType: artifactType === null || artifactType === '' ? undefined : artifactType,
  }
}
