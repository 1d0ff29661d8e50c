import type { Digest } from '../oci/digest.ts'

/**
 * An image for a runtime to pull: on this host already, so that the pull is copying and unpacking. `tag` is what users
 * call it, null when they named it by digest.
 */
export interface LoadImage {
  readonly upstream: string
  readonly repository: string
  readonly tag: string | null
  readonly digest: Digest
}

/** Has a container runtime of this host pull an image through this host's own mirror. */
export interface ImageLoader {
  /**
   * Resolves when the runtime has the image, unpacked, under the name users give it. Throws `UNAVAILABLE` in words that
   * name the runtime and what it said; aborting cancels the runtime's pull.
   */
  load(image: LoadImage, signal: AbortSignal): Promise<void>
}

/** Where a runtime of this host reaches a mirror that listens on `address`: every address includes loopback. */
export function loopbackOf(address: string): string {
  return address.replace(/^(?:0\.0\.0\.0|\[::\]):/, '127.0.0.1:')
}
