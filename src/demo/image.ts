import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Digest } from '../oci/digest.ts'
import { digestHex, digestOf } from '../oci/digest.ts'
import type { Descriptor, Platform } from '../oci/manifest.ts'
import { MEDIA_TYPE } from '../oci/manifest.ts'
import { platformOf } from '../oci/platform.ts'
import { seededBytes } from './seeded-bytes.ts'
import type { TarEntry } from './tar.ts'
import { TAR_BLOCK_BYTES, TAR_END_BYTES, tarArchive } from './tar.ts'

/** What image to make. The same spec gives the same digests, on every machine. */
export interface ImageSpec {
  /** Bytes of all layers together, within a tar block per layer. */
  readonly sizeBytes: number
  readonly layerCount: number
  /** Bytes of each layer, instead of `sizeBytes` in `layerCount` equal parts. */
  readonly layerSizes?: readonly number[] | undefined
  /** Another seed, another content. */
  readonly seed: number
  readonly format: 'oci' | 'docker'
  /** Layers as stored (uncompressed) gzip; otherwise as plain tar. */
  readonly gzip: boolean
  readonly platform: Platform
  /** A static program put at `/bin/<name>` in the first layer, with what `run` calls it with. */
  readonly program?: { readonly file: string; readonly name: string; readonly args: readonly string[] } | undefined
}

/** A blob on the local disk. */
export interface BlobFile extends Descriptor {
  readonly path: string
}

export interface BuiltImage {
  readonly manifest: BlobFile
  readonly config: BlobFile
  readonly layers: readonly BlobFile[]
  /** Manifest, config and layers: what a host that has nothing yet must receive. */
  readonly sizeBytes: number
}

/** An index over images of several platforms. */
export interface BuiltIndex {
  readonly manifest: BlobFile
  readonly images: readonly BuiltImage[]
}

const DEFAULT_IMAGE: ImageSpec = {
  sizeBytes: 4 * 1024 * 1024,
  layerCount: 2,
  seed: 1,
  format: 'oci',
  gzip: false,
  platform: platformOf(process.arch),
}

const LAYER_TYPE = {
  oci: { tar: 'application/vnd.oci.image.layer.v1.tar', gzip: 'application/vnd.oci.image.layer.v1.tar+gzip' },
  docker: {
    tar: 'application/vnd.docker.image.rootfs.diff.tar',
    gzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  },
} as const

const CONFIG_TYPE = {
  oci: 'application/vnd.oci.image.config.v1+json',
  docker: 'application/vnd.docker.container.image.v1+json',
} as const

/**
 * Makes an image that runtimes can unpack (layers are real archives, `diff_ids` are right) and puts its blobs into
 * `directory`, named by digest. Layers are streamed: memory does not grow with `sizeBytes`.
 */
export async function buildImage(
  directory: string,
  options: Partial<ImageSpec> = {},
  signal?: AbortSignal,
): Promise<BuiltImage> {
  const spec: ImageSpec = { ...DEFAULT_IMAGE, ...options }
  await mkdir(directory, { recursive: true })
  const layers: BlobFile[] = []
  const diffIds: Digest[] = []
  const equal = Array<number>(spec.layerCount).fill(Math.floor(spec.sizeBytes / spec.layerCount))
  for (const [index, sizeBytes] of (spec.layerSizes ?? equal).entries()) {
    const { blob, diffId } = await writeLayer(directory, spec, await layerEntries(spec, index, sizeBytes), signal)
    layers.push(blob)
    diffIds.push(diffId)
  }
  const config = await writeJson(directory, CONFIG_TYPE[spec.format], imageConfig(spec, diffIds))
  const mediaType = spec.format === 'oci' ? MEDIA_TYPE.ociManifest : MEDIA_TYPE.dockerManifest
  const manifest = await writeJson(directory, mediaType, {
    schemaVersion: 2,
    mediaType,
    config: descriptor(config),
    layers: layers.map(descriptor),
  })
  const sizeBytes = [manifest, config, ...layers].reduce((sum, blob) => sum + blob.size, 0)
  return { manifest: { ...manifest, platform: spec.platform }, config, layers, sizeBytes }
}

async function layerEntries(spec: ImageSpec, index: number, sizeBytes: number): Promise<TarEntry[]> {
  const entries: TarEntry[] = [{ kind: 'directory', path: 'data' }]
  let overhead = 2 * TAR_BLOCK_BYTES + TAR_END_BYTES
  if (spec.program !== undefined && index === 0) {
    const { file, name } = spec.program
    const { size } = await stat(file)
    entries.push({ kind: 'directory', path: 'bin' })
    entries.push({ kind: 'file', path: `bin/${name}`, mode: 0o755, size, content: createReadStream(file) })
    overhead += 2 * TAR_BLOCK_BYTES + Math.ceil(size / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES
  }
  const share = sizeBytes - overhead
  const size = Math.max(1, Math.floor(share / TAR_BLOCK_BYTES)) * TAR_BLOCK_BYTES
  const content = seededBytes(`image ${spec.seed} layer ${index}`, size)
  entries.push({ kind: 'file', path: `data/layer-${index}.bin`, mode: 0o644, size, content })
  return entries
}

async function writeLayer(
  directory: string,
  spec: ImageSpec,
  entries: Iterable<TarEntry>,
  signal: AbortSignal | undefined,
): Promise<{ blob: BlobFile; diffId: Digest }> {
  const unpacked = createHash('sha256')
  const packed = createHash('sha256')
  let size = 0
  async function* hashUnpacked(): AsyncGenerator<Uint8Array> {
    for await (const chunk of tarArchive(entries)) {
      unpacked.update(chunk)
      yield chunk
    }
  }
  async function* hashPacked(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      packed.update(chunk)
      size += chunk.length
      yield chunk
    }
  }
  const unfinished = join(directory, `.layer-${randomUUID()}`)
  const source = Readable.from(hashUnpacked())
  const target = createWriteStream(unfinished)
  const options = signal === undefined ? {} : { signal }
  if (spec.gzip) await pipeline(source, createGzip({ level: 0 }), hashPacked, target, options)
  else await pipeline(source, hashPacked, target, options)
  const digest = `sha256:${packed.digest('hex')}` as Digest
  const path = join(directory, digestHex(digest))
  await rename(unfinished, path)
  const mediaType = LAYER_TYPE[spec.format][spec.gzip ? 'gzip' : 'tar']
  return { blob: { digest, size, mediaType, path }, diffId: `sha256:${unpacked.digest('hex')}` as Digest }
}

function imageConfig(spec: ImageSpec, diffIds: readonly Digest[]): object {
  const { program, platform } = spec
  const created = '2020-01-01T00:00:00Z'
  return {
    created,
    ...platform,
    config: {
      Env: ['PATH=/bin'],
      WorkingDir: '/',
      ...(program === undefined ? {} : { Entrypoint: [`/bin/${program.name}`], Cmd: program.args }),
    },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: diffIds.map(() => ({ created, created_by: 'shoal' })),
  }
}

/** A file of JSON in `directory`, named by its digest. */
export function writeJson(directory: string, mediaType: string, value: object): Promise<BlobFile> {
  return writeBlob(directory, mediaType, Buffer.from(JSON.stringify(value)))
}

/** A file in `directory`, named by its digest. */
export async function writeBlob(directory: string, mediaType: string, bytes: Uint8Array): Promise<BlobFile> {
  const digest = digestOf(bytes)
  const path = join(directory, digestHex(digest))
  await writeFile(path, bytes)
  return { digest, size: bytes.length, mediaType, path }
}

/** What a manifest says of a blob. */
export function descriptor({ mediaType, digest, size }: BlobFile): Descriptor {
  return { mediaType, digest, size }
}
