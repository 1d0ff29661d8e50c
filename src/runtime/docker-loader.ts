import { z } from 'zod'
import { looksLikeHost } from '../oci/reference.ts'
import { DockerEngine } from './docker-engine.ts'
import type { ImageLoader, LoadImage } from './image-loader.ts'
import { loopbackOf } from './image-loader.ts'

export interface DockerLoaderOptions {
  /** The engine's unix socket. */
  readonly socketPath: string
  /** Where this host's mirror listens: `127.0.0.1:7070`. Engines allow plain HTTP to loopback only. */
  readonly mirror: string
}

/** Messages of the pull stream, of which only these keys matter. */
const messageSchema = z.object({
  status: z.string().optional(),
  error: z.string().optional(),
  errorDetail: z.object({ message: z.string().optional() }).optional(),
})

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
  readonly #options: DockerLoaderOptions

  constructor(options: DockerLoaderOptions) {
    this.#options = { ...options, mirror: loopbackOf(options.mirror) }
  }

  async load(image: LoadImage, signal: AbortSignal): Promise<void> {
    await using engine = new DockerEngine(this.#options.socketPath)
    const { RegistryConfig } = await engine.json('/info', infoSchema, signal)
    const { pulled, wanted } = dockerNames(image, this.#options.mirror, RegistryConfig?.Mirrors ?? [])
    await pullImage(engine, pulled, image.digest, signal)
    if (image.tag === null) return
    const digested = `/images/${pulled}@${image.digest}`
    await engine.post(`${digested}/tag?${new URLSearchParams({ repo: wanted, tag: image.tag })}`, signal)
    // an image named by digest keeps the mirror's name: it has no other, and taking that away would delete the image
    if (pulled !== wanted) await engine.delete(`${digested}?noprune=true`, signal)
  }
}

/** Has the engine pull an image by its digest. Rejects with what the engine says. */
export async function pullImage(
  engine: DockerEngine,
  name: string,
  digest: string,
  signal: AbortSignal,
): Promise<void> {
  let hasDigest = false
  const query = new URLSearchParams({ fromImage: name, tag: digest })
  for await (const line of engine.stream(`/images/create?${query}`, signal)) {
    const message = messageSchema.safeParse(line).data
    const failure = message?.errorDetail?.message ?? message?.error
    // the answer's status was 200 long ago: this is how a pull fails on its way
    if (failure !== undefined) throw engine.failure(`cannot pull ${name}@${digest}: ${failure}`)
    hasDigest ||= message?.status?.startsWith('Digest: ') === true
  }
  if (!hasDigest) throw engine.failure(`ended the pull of ${name}@${digest} without a result`)
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
