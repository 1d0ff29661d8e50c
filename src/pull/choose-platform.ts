import { ShoalError } from '../base/errors.ts'
import type { Descriptor, Platform } from '../oci/manifest.ts'
import { platformText } from '../oci/platform.ts'

/**
 * The manifest of an index that runs on `wanted`: same os and architecture, the same variant before none before any
 * other. Attestations (`unknown/unknown`) are nobody's. Throws `UNAVAILABLE` that lists what there is.
 */
export function choosePlatform(manifests: readonly Descriptor[], wanted: Platform): Descriptor {
  const fitting = manifests.filter(
    ({ platform }) => platform?.os === wanted.os && platform.architecture === wanted.architecture,
  )
  const best =
    fitting.find(({ platform }) => platform?.variant === wanted.variant) ??
    fitting.find(({ platform }) => platform?.variant === undefined) ??
    (wanted.variant === undefined ? fitting[0] : undefined)
  if (best !== undefined) return best
  const there = manifests.flatMap(({ platform }) =>
    platform === undefined || platform.os === 'unknown' ? [] : [platformText(platform)],
  )
  const list = there.length === 0 ? 'none that is named' : there.join(', ')
  throw new ShoalError('UNAVAILABLE', `the image has no ${platformText(wanted)}; it has: ${list}`)
}
