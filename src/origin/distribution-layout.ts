import { ShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import { digestAlgorithm, digestHex, parseDigest, requireDigest } from '../oci/digest.ts'
import { isRepositoryName, isTag } from '../oci/reference.ts'

// Where a Distribution registry keeps things below its root directory or bucket prefix. Every part is checked against
// its grammar here, so that no path or key can be made from anything else.

/** All of a registry's content lies below it. */
export const ROOT = 'docker/registry/v2'

/** A link holds nothing but a digest: 135 characters for sha512, and perhaps a newline. */
export const MAX_LINK_BYTES = 256

/** The bytes of a blob or manifest. */
export function blobDataPath(digest: Digest): string {
  const hex = digestHex(requireDigest(digest))
  return `${ROOT}/blobs/${digestAlgorithm(digest)}/${hex.slice(0, 2)}/${hex}/data`
}

/** Exists when the repository may read the blob. */
export function layerLinkPath(repository: string, digest: Digest): string {
  return `${repositoryPath(repository)}/_layers/${digestPath(digest)}/link`
}

/** Exists when the manifest belongs to the repository. */
export function revisionLinkPath(repository: string, digest: Digest): string {
  return `${repositoryPath(repository)}/_manifests/revisions/${digestPath(digest)}/link`
}

/** Holds the digest that the tag has now. */
export function tagLinkPath(repository: string, tag: string): string {
  if (!isTag(tag)) throw new ShoalError('REFERENCE_INVALID', `not a tag: ${tag.slice(0, 150)}`)
  return `${tagsPath(repository)}/${tag}/current/link`
}

/** The folder with one folder per tag. */
export function tagsPath(repository: string): string {
  return `${repositoryPath(repository)}/_manifests/tags`
}

/** The digest a link holds; undefined for anything else, such as a link that is being written. */
export function parseLink(bytes: Uint8Array): Digest | undefined {
  return parseDigest(new TextDecoder().decode(bytes).trim())
}

function repositoryPath(repository: string): string {
  if (!isRepositoryName(repository)) {
    throw new ShoalError('NAME_INVALID', `not a repository name: ${repository.slice(0, 150)}`)
  }
  return `${ROOT}/repositories/${repository}`
}

function digestPath(digest: Digest): string {
  const checked = requireDigest(digest)
  return `${digestAlgorithm(checked)}/${digestHex(checked)}`
}
