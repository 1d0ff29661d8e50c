import type { Reference } from '../oci/reference.ts'
import { DOCKER_HUB, parseReference } from '../oci/reference.ts'

/**
 * What a job's text means: upstream, repository, and tag or digest. Text is for orders and for people alone; whoever asks for
 * a job has completed it (`wholeReferenceText`), so that it means the same on every host, whatever upstreams that one
 * has: an upstream that is a plain word has the root's dot behind it, and only Docker Hub may be left out. Throws
 * `REFERENCE_INVALID`.
 */
export function imageReference(text: string): Reference {
  return parseReference(text, DOCKER_HUB)
}
