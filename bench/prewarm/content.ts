import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { BuiltImage } from '../../src/demo/index.ts'
import { descriptor, seededBytes, writeBlob, writeJson, writeToBucketTree } from '../../src/demo/index.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { MEDIA_TYPE } from '../../src/oci/manifest.ts'
import { eachAtMost } from '../support/each-at-most.ts'

const TAG = '1'
/** More than real images have, few enough for a small manifest. */
const BLOBS_PER_IMAGE = 100
const FILES_AT_ONCE = 32

export interface Pushed {
  readonly digest: Digest
  readonly size: number
}

export interface SmallImages {
  /** `repository:tag`. */
  readonly names: readonly string[]
  readonly blobs: readonly Pushed[]
}

/** How many blobs each image has that together have `blobs`; each has a config and at least one layer. */
export function imageSizes(blobs: number): number[] {
  const images = Math.ceil(blobs / BLOBS_PER_IMAGE)
  return Array.from({ length: images }, (_, i) => Math.floor((blobs + i) / images))
}

/**
 * Images of `blobs` small blobs in all, in the layout of a registry below `root`. They cannot be unpacked: nothing here
 * does.
 */
export async function pushSmallImages(root: string, blobs: number, blobBytes: number): Promise<SmallImages> {
  const files = join(root, 'files')
  await mkdir(files, { recursive: true })
  const names: string[] = []
  const pushed: Pushed[] = []
  for (const [i, count] of imageSizes(blobs).entries()) {
    const repository = `bench/image-${i}`
    const image = await smallImage(files, i, count, blobBytes)
    await writeToBucketTree(root, { repository, tag: TAG }, image)
    names.push(`${repository}:${TAG}`)
    for (const { digest, size } of [image.config, ...image.layers]) pushed.push({ digest, size })
  }
  return { names, blobs: pushed }
}

async function smallImage(directory: string, number: number, blobs: number, blobBytes: number): Promise<BuiltImage> {
  const numbers = Array.from({ length: blobs - 1 }, (_, i) => i)
  const layers = await eachAtMost(FILES_AT_ONCE, numbers, (i) =>
    writeBlob(directory, 'application/vnd.oci.image.layer.v1.tar', joined(`image ${number} layer ${i}`, blobBytes)),
  )
  const platform = { os: 'linux', architecture: 'amd64' }
  const config = await writeJson(directory, 'application/vnd.oci.image.config.v1+json', {
    ...platform,
    number,
    rootfs: { type: 'layers', diff_ids: [] },
  })
  const manifest = await writeJson(directory, MEDIA_TYPE.ociManifest, {
    ...{ schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config: descriptor(config) },
    layers: layers.map(descriptor),
  })
  const sizeBytes = [manifest, config, ...layers].reduce((sum, { size }) => sum + size, 0)
  return { manifest: { ...manifest, platform }, config, layers, sizeBytes }
}

function joined(seed: string, bytes: number): Uint8Array {
  return Buffer.concat([...seededBytes(seed, bytes)])
}
