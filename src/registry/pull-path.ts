import type { Digest } from '../oci/digest.ts'
import { parseDigest } from '../oci/digest.ts'
import type { TagOrDigest } from '../oci/reference.ts'
import { isPathName, parseTagOrDigest } from '../oci/reference.ts'
import type { OciErrorCode } from './oci-error.ts'
import { TOKEN_PATH } from './own-token.ts'

/** A path of the OCI pull API, its parts checked against their grammars. `name` is as the client asked. */
export type PullPath =
  | { readonly route: 'base' }
  | { readonly route: 'token' }
  | { readonly route: 'manifests'; readonly name: string; readonly target: TagOrDigest }
  | { readonly route: 'blobs'; readonly name: string; readonly digest: Digest }
  | { readonly route: 'tags'; readonly name: string }
  | { readonly route: 'referrers'; readonly name: string; readonly digest: Digest }

interface PathProblem {
  readonly route: 'none'
  readonly status: 400 | 404
  readonly code: OciErrorCode
  readonly message: string
}

const NOT_IN_API = problem(404, 'UNSUPPORTED', 'not a path of the OCI pull API')
const BAD_ENCODING = problem(400, 'NAME_INVALID', 'the path is not valid percent-encoding')

/**
 * Parses the path of a request, without its query. Percent-encoding is decoded once and the grammars then see the
 * plain text, so that `%2F` nests like `/`, and `..`, `//`, a second layer of encoding or control characters fail.
 * The last two segments decide the route: a repository may well be called `tags` or `manifests`.
 */
export function parsePullPath(path: string): PullPath | PathProblem {
  const plain = decodeOnce(path)
  if (plain === undefined) return isUnderApi(path) ? BAD_ENCODING : NOT_IN_API
  if (plain === '/v2' || plain === '/v2/') return { route: 'base' }
  if (plain === TOKEN_PATH) return { route: 'token' }
  if (!plain.startsWith('/v2/')) return NOT_IN_API
  const segments = plain.slice('/v2/'.length).split('/')
  const [kind, last] = [segments.at(-2), segments.at(-1)]
  if (segments.length < 3 || kind === undefined || last === undefined || last === '') return NOT_IN_API
  const name = segments.slice(0, -2).join('/')
  if (kind === 'tags' && last === 'list') return checkName(name, { route: 'tags', name })
  if (kind === 'manifests') return manifestPath(name, last)
  if (kind === 'blobs' || kind === 'referrers') {
    const digest = parseDigest(last)
    return checkName(name, digest === undefined ? badDigest(last) : { route: kind, name, digest })
  }
  return NOT_IN_API
}

/** Whether a path, however broken its rest, belongs to the registry API. */
export function isUnderApi(path: string): boolean {
  const plain = decodeOnce(path) ?? path
  return plain === '/v2' || plain.startsWith('/v2/')
}

function manifestPath(name: string, reference: string): PullPath | PathProblem {
  const target = parseTagOrDigest(reference)
  if (target !== undefined) return checkName(name, { route: 'manifests', name, target })
  // A text that cannot be a tag names nothing (404); one that means to be a digest is a mistake (400).
  return checkName(
    name,
    reference.includes(':') ? badDigest(reference) : problem(404, 'MANIFEST_UNKNOWN', 'not a tag or digest'),
  )
}

function checkName(name: string, path: PullPath | PathProblem): PullPath | PathProblem {
  return isPathName(name) ? path : problem(400, 'NAME_INVALID', 'not a repository name')
}

function badDigest(text: string): PathProblem {
  return problem(400, 'DIGEST_INVALID', `not a sha256 or sha512 digest in lower case: ${text.slice(0, 150)}`)
}

function problem(status: 400 | 404, code: OciErrorCode, message: string): PathProblem {
  return { route: 'none', status, code, message }
}

function decodeOnce(path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}
