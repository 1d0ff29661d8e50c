import { z } from 'zod'
import { looksLikeHost } from '../oci/reference.ts'
import { DockerEngine } from './docker-engine.ts'
import type { ImageLoader, LoadImage, LoadProgress } from './loader.ts'
import { loopbackOf } from './loader.ts'

export interface DockerLoaderOptions {
  /** The engine's unix socket. */
  readonly socketPath: string
  /** Where this host's mirror listens: `127.0.0.1:7070`. Engines allow plain HTTP to loopback only. */
  readonly mirror: string
}

/** Messages of the pull stream, of which only these keys matter. */
const messageSchema = z.object({
  id: z.string().optional(),
  status: z.string().optional(),
  progressDetail: z.object({ current: z.number().optional(), total: z.number().optional() }).optional(),
  error: z.string().optional(),
  errorDetail: z.object({ message: z.string().optional() }).optional(),
})

const MAX_LAYERS = 1000

const infoSchema = z.object({
  RegistryConfig: z.object({ Mirrors: z.array(z.string()).nullish() }).nullish(),
})

/** The names of one image on their way through the engine. */
interface DockerNames {
  /** What is pulled, without its digest. */
  readonly pulled: string
  /** What users call it, without tag or digest. */
  readonly wanted: string
}

/**
 * Docker Engine pulls through this host's mirror. For Docker Hub that is what `registry-mirrors` does, if it names
 * this mirror; for all else the mirror's address stands in front of the name, and the image gets its own name after.
 */
export class DockerLoader implements ImageLoader {
  readonly #engine: DockerEngine
  readonly #options: DockerLoaderOptions

  constructor(options: DockerLoaderOptions) {
    this.#options = { ...options, mirror: loopbackOf(options.mirror) }
    this.#engine = new DockerEngine(options.socketPath)
  }

  async *load(image: LoadImage, signal: AbortSignal): AsyncGenerator<LoadProgress, void, void> {
    const mirrors = await this.#engine.json('/info', infoSchema, signal)
    const names = dockerNames(image, this.#options.mirror, mirrors.RegistryConfig?.Mirrors ?? [])
    yield* this.#pull(names.pulled, image, signal)
    const pulled = `${names.pulled}@${image.digest}`
    if (image.tag !== null) {
      const query = new URLSearchParams({ repo: names.wanted, tag: image.tag })
      await this.#engine.post(`/images/${pulled}/tag?${query}`, signal)
    }
    // An image named by digest has no other name than the mirror's: taking that away would delete the image.
    if (image.tag !== null && names.pulled !== names.wanted) {
      await this.#engine.delete(`/images/${pulled}?noprune=true`, signal)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine[Symbol.asyncDispose]()
  }

  async *#pull(name: string, image: LoadImage, signal: AbortSignal): AsyncGenerator<LoadProgress, void, void> {
    const query = new URLSearchParams({ fromImage: name, tag: image.digest })
    if (image.platform !== undefined) query.set('platform', image.platform)
    const layers = new LayerProgress()
    let hasDigest = false
    for await (const line of this.#engine.stream(`/images/create?${query}`, signal)) {
      const message = messageSchema.safeParse(line).data
      const failure = message?.errorDetail?.message ?? message?.error
      // The answer's status was 200 long ago: this is how a pull fails on its way.
      if (failure !== undefined) throw this.#engine.failure(`cannot pull ${name}@${image.digest}: ${failure}`)
      if (message === undefined) continue
      hasDigest ||= message.status?.startsWith('Digest: ') === true
      if (layers.note(message)) yield layers.progress()
    }
    if (!hasDigest) throw this.#engine.failure(`ended the pull of ${name}@${image.digest} without a result`)
  }
}

/** Which names an image has; `mirrors` are the engine's own for Docker Hub. */
export function dockerNames(
  { upstream, repository }: Pick<LoadImage, 'upstream' | 'repository'>,
  mirror: string,
  mirrors: readonly string[],
): DockerNames {
  // An upstream that is a plain word is found by the mirror's search order, as a bare name is.
  if (!looksLikeHost(upstream)) return { pulled: `${mirror}/${repository}`, wanted: repository }
  const wanted = `${upstream}/${repository}`
  const isMirrored = upstream === 'docker.io' && mirrors.some((url) => URL.parse(url)?.host === mirror)
  // A colon is illegal behind the first slash: the mirror reads host_5000 as host:5000.
  return isMirrored ? { pulled: wanted, wanted } : { pulled: `${mirror}/${wanted.replace(':', '_')}`, wanted }
}

/** Bytes of all layers, from messages about each. */
class LayerProgress {
  readonly #layers = new Map<string, { done: number; total: number }>()
  #unpacking = false

  /** Whether the message moved anything. */
  note({ id, status, progressDetail }: z.infer<typeof messageSchema>): boolean {
    const { current, total } = progressDetail ?? {}
    if (status === 'Extracting') this.#unpacking = true
    if (id === undefined || (status !== 'Downloading' && status !== 'Extracting')) return false
    // With the containerd store, "Extracting" counts seconds and has no total.
    if (total === undefined || total <= 0 || this.#layers.size >= MAX_LAYERS) return status === 'Extracting'
    const done = status === 'Extracting' ? total : Math.min(current ?? 0, total)
    const before = this.#layers.get(id)
    this.#layers.set(id, { done: Math.max(done, before?.done ?? 0), total: Math.max(total, before?.total ?? 0) })
    return true
  }

  progress(): LoadProgress {
    let [doneBytes, totalBytes] = [0, 0]
    for (const { done, total } of this.#layers.values()) {
      doneBytes += done
      totalBytes += total
    }
    return { state: this.#unpacking ? 'unpacking' : 'pulling', doneBytes, totalBytes }
  }
}
