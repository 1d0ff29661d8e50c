import type { BuiltImage, BuiltIndex, ImageSpec } from '../../src/demo/index.ts'
import { descriptor, writeJson } from '../../src/demo/index.ts'
import { MEDIA_TYPE } from '../../src/oci/manifest.ts'

/** Makes an index over `images`, each for the platform it was built for, in `directory`. */
export async function buildIndex(
  directory: string,
  images: readonly BuiltImage[],
  format: ImageSpec['format'] = 'oci',
): Promise<BuiltIndex> {
  const mediaType = format === 'oci' ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.dockerList
  const manifests = images.map(({ manifest }) => ({ ...descriptor(manifest), platform: manifest.platform }))
  return { manifest: await writeJson(directory, mediaType, { schemaVersion: 2, mediaType, manifests }), images }
}
