import { constants, createReadStream } from 'node:fs'
import { copyFile, link, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import type { S3Client } from '@aws-sdk/client-s3'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import type { Digest } from '../oci/digest.ts'
import { digestAlgorithm, digestHex } from '../oci/digest.ts'
import type { BlobFile, BuiltImage, BuiltIndex } from './image.ts'

const ROOT = 'docker/registry/v2'

/** Where Distribution keeps the bytes of a blob or manifest, relative to its root directory or bucket prefix. */
export function blobKey(digest: Digest): string {
  const hex = digestHex(digest)
  return `${ROOT}/blobs/${digestAlgorithm(digest)}/${hex.slice(0, 2)}/${hex}/data`
}

/** The key of the link that says which digest a tag has now. */
export function tagKey(repository: string, tag: string): string {
  return `${ROOT}/repositories/${repository}/_manifests/tags/${tag}/current/link`
}

/**
 * Writes an image, or an index and its images, into `root` the way a Distribution registry does on a push: blobs and
 * their links, manifests and theirs, the tag last. Blobs are hard links of the built files where the disk allows it.
 */
export async function writeToBucketTree(
  root: string,
  { repository, tag }: { readonly repository: string; readonly tag: string },
  content: BuiltImage | BuiltIndex,
): Promise<void> {
  const images = 'images' in content ? content.images : [content]
  for (const image of images) {
    for (const blob of [...image.layers, image.config]) {
      await placeBlob(root, blob)
      await writeLink(root, `${repository}/_layers/${linkPart(blob.digest)}`, blob.digest)
    }
    await writeManifest(root, repository, image.manifest)
  }
  if ('images' in content) await writeManifest(root, repository, content.manifest)
  const { digest } = content.manifest
  await writeLink(root, `${repository}/_manifests/tags/${tag}/index/${linkPart(digest)}`, digest)
  await writeLink(root, `${repository}/_manifests/tags/${tag}/current`, digest)
}

/** Puts every file below `root` into a bucket under its relative path: blobs first, tags last, as a push would. */
export async function copyTreeToBucket(
  client: S3Client,
  { root, bucket, signal }: { readonly root: string; readonly bucket: string; readonly signal?: AbortSignal },
): Promise<void> {
  const found = await readdir(root, { recursive: true, withFileTypes: true })
  const files = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  for (const file of files.sort((a, b) => pushOrder(a) - pushOrder(b))) {
    const { size } = await stat(file)
    const command = new PutObjectCommand({
      Bucket: bucket,
      Key: relative(root, file).split(sep).join('/'),
      Body: createReadStream(file, { highWaterMark: 1024 * 1024 }),
      ContentLength: size,
    })
    await client.send(command, signal === undefined ? {} : { abortSignal: signal })
  }
}

function pushOrder(path: string): number {
  const order = ['/blobs/', '/_layers/', '/revisions/', '/index/', '/current/']
  return order.findLastIndex((part) => path.includes(part))
}

async function writeManifest(root: string, repository: string, manifest: BlobFile): Promise<void> {
  await placeBlob(root, manifest)
  await writeLink(root, `${repository}/_manifests/revisions/${linkPart(manifest.digest)}`, manifest.digest)
}

async function placeBlob(root: string, blob: BlobFile): Promise<void> {
  const target = join(root, blobKey(blob.digest))
  await mkdir(dirname(target), { recursive: true })
  await rm(target, { force: true })
  await link(blob.path, target).catch(() => copyFile(blob.path, target, constants.COPYFILE_EXCL))
}

async function writeLink(root: string, path: string, digest: Digest): Promise<void> {
  const directory = join(root, ROOT, 'repositories', path)
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, 'link'), digest)
}

function linkPart(digest: Digest): string {
  return `${digestAlgorithm(digest)}/${digestHex(digest)}`
}
