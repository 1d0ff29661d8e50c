import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'
import { makeDirectories } from '../base/make-directories.ts'
import { digestAlgorithm, digestHasher, digestHex } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'
import { MEDIA_TYPE } from '../oci/manifest.ts'
import type { BlobSink } from './fetch-blob.ts'

const REF_NAME = 'org.opencontainers.image.ref.name'
const LAYOUT_VERSION = JSON.stringify({ imageLayoutVersion: '1.0.0' })

const entrySchema = z.looseObject({ digest: z.string(), annotations: z.record(z.string(), z.string()).optional() })
const indexSchema = z.looseObject({ schemaVersion: z.literal(2), manifests: z.array(entrySchema) })

/** An OCI image layout directory (image-spec image-layout.md). Blobs appear under their name only when complete. */
export class ImageLayout {
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
  }

  /** Opens `directory`, making it when missing. Throws `CONFIG_INVALID` when it is something else than a layout. */
  static async open(directory: string): Promise<ImageLayout> {
    try {
      await makeDirectories(join(directory, 'blobs'))
      await writeFile(join(directory, 'oci-layout'), LAYOUT_VERSION)
    } catch (cause) {
      throw new ShoalError('CONFIG_INVALID', `--output: cannot write an image layout to ${directory}`, { cause })
    }
    const layout = new ImageLayout(directory)
    await layout.#index()
    return layout
  }

  /** Whether the blob is here, whole and with the right digest. */
  async has({ digest, size }: Descriptor): Promise<boolean> {
    const path = this.#path(digest)
    const found = await stat(path).catch(() => undefined)
    if (found?.size !== size) return false
    const hash = digestHasher(digest)
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk)
    return hash.digest('hex') === digestHex(digest)
  }

  /** Lets `fill` write a blob; it gets its name only if `fill` succeeds, and leaves nothing behind otherwise. */
  async write<T>({ digest }: Descriptor, fill: (sink: BlobSink) => Promise<T>): Promise<T> {
    const path = this.#path(digest)
    await makeDirectories(dirname(path))
    const unfinished = `${path}.${randomUUID()}.partial`
    try {
      const file = await open(unfinished, 'wx')
      let result: T
      try {
        result = await fill(async (chunk) => {
          for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done)).bytesWritten
        })
      } finally {
        await file.close()
      }
      await rename(unfinished, path)
      return result
    } finally {
      await rm(unfinished, { force: true })
    }
  }

  /** Names `manifest` in index.json, in the place of what had that name. */
  async tag(name: string, manifest: Descriptor): Promise<void> {
    const { manifests } = await this.#index()
    const others = manifests.filter((entry) => entry.annotations?.[REF_NAME] !== name)
    const entry = { ...manifest, annotations: { [REF_NAME]: name } }
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [...others, entry] }
    const unfinished = join(this.#directory, `.index-${randomUUID()}.json`)
    await writeFile(unfinished, JSON.stringify(index))
    await rename(unfinished, join(this.#directory, 'index.json'))
  }

  async #index(): Promise<z.infer<typeof indexSchema>> {
    const path = join(this.#directory, 'index.json')
    const text = await readFile(path, 'utf8').catch(() => undefined)
    if (text === undefined) return { schemaVersion: 2, manifests: [] }
    const parsed = indexSchema.safeParse(parseJson(text))
    if (parsed.success) return parsed.data
    throw new ShoalError('CONFIG_INVALID', `--output: ${path} is no OCI image index`, { cause: parsed.error })
  }

  #path(digest: Descriptor['digest']): string {
    return join(this.#directory, 'blobs', digestAlgorithm(digest), digestHex(digest))
  }
}
