import { createHash } from 'node:crypto'
import { request } from 'undici'
import { z } from 'zod'

/** The runtimes whose requests are made. */
export const RUNTIMES = ['docker', 'containerd', 'podman'] as const
export type Runtime = (typeof RUNTIMES)[number]

export const pullSchema = z.object({
  mirror: z.string(),
  upstream: z.string(),
  repository: z.string(),
  tag: z.string(),
  runtime: z.enum(RUNTIMES),
})
export type Pull = z.infer<typeof pullSchema>

/**
 * How a pull ended. `refused`: the mirror sends the runtime to the registry itself, which is an honest end; `cut`: a body broke
 * off, or the daemon was not there. `wrong`, `rude` and `hung` must not be, whatever happens.
 */
export const pulledSchema = z.object({
  result: z.enum(['whole', 'refused', 'cut', 'wrong', 'rude', 'hung']),
  detail: z.string(),
  /** The manifest's digest, once it is here. */
  manifest: z.string().optional(),
  ms: z.number(),
})
export type Pulled = z.infer<typeof pulledSchema>

/** A pull that has not ended by now has hung: no fault of a run lasts a quarter of that. */
const HUNG_MS = 120_000
/** How often docker goes on with a layer that broke off. */
const DOCKER_RESUMES = 5
const CONTAINERD_CHUNK_BYTES = 1024 * 1024
const CONTAINERD_WORKERS = 3
/** Layers that each fetches at a time. */
const LAYERS_AT_ONCE: Readonly<Record<Runtime, number>> = { docker: 3, containerd: 3, podman: 6 }
const ACCEPT = 'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json'

/** Ends a pull, and says how. */
class PullEnd extends Error {
  readonly result: Pulled['result']

  constructor(result: Pulled['result'], message: string) {
    super(message)
    this.result = result
  }
}

interface Blob {
  readonly digest: string
  readonly size: number
}
const blobSchema = z.object({ digest: z.string(), size: z.number() })
const manifestSchema = z.object({ config: blobSchema, layers: z.array(blobSchema) })

/** Pulls as one runtime does, and says how that ended; never rejects. */
export async function pull(what: Pull): Promise<Pulled> {
  const startedAt = performance.now()
  const signal = AbortSignal.timeout(HUNG_MS)
  let manifest: string | undefined
  const ended = (result: Pulled['result'], detail: string): Pulled => {
    return { result, detail, manifest, ms: Math.round(performance.now() - startedAt) }
  }
  try {
    const client = new RuntimeClient(what, signal)
    const { digest, config, layers } = await client.manifest()
    manifest = digest
    const blobs = [config, ...layers]
    const work = async (): Promise<void> => {
      for (let blob = blobs.shift(); blob !== undefined; blob = blobs.shift()) await client.blob(blob)
    }
    await Promise.all(Array.from({ length: LAYERS_AT_ONCE[what.runtime] }, work))
    return ended('whole', '')
  } catch (error) {
    if (error instanceof PullEnd) return ended(error.result, error.message)
    return signal.aborted
      ? ended('hung', 'no end')
      : ended('cut', error instanceof Error ? error.message : String(error))
  }
}

class RuntimeClient {
  readonly #pull: Pull
  readonly #signal: AbortSignal

  constructor(pull: Pull, signal: AbortSignal) {
    this.#pull = pull
    this.#signal = signal
  }

  async manifest(): Promise<{ readonly digest: string; readonly config: Blob; readonly layers: readonly Blob[] }> {
    const { tag, runtime } = this.#pull
    let target = tag
    if (runtime !== 'podman') {
      const head = await this.#ask('HEAD', `manifests/${tag}`)
      target = String(head.headers['docker-content-digest'])
      await head.body.dump()
    }
    const answer = await this.#ask('GET', `manifests/${target}`)
    const said = String(answer.headers['docker-content-digest'])
    const bytes = await this.#whole(answer)
    const digest = digestOf(bytes)
    if (digest !== said || (target.includes(':') && digest !== target)) {
      throw new PullEnd('wrong', `manifest ${target} is said to be ${said}, and is ${digest}`)
    }
    return { digest, ...manifestSchema.parse(JSON.parse(bytes.toString())) }
  }

  async blob(blob: Blob): Promise<void> {
    const { runtime } = this.#pull
    const bytes = await this.#bytes(runtime, blob)
    const digest = digestOf(bytes)
    if (digest !== blob.digest) throw new PullEnd('wrong', `${runtime}: ${blob.digest} ended well as ${digest}`)
  }

  #bytes(runtime: Runtime, blob: Blob): Promise<Buffer> {
    switch (runtime) {
      case 'docker':
        return this.#resumed(blob)
      case 'containerd':
        return this.#parallel(blob)
      case 'podman':
        return this.#ask('GET', `blobs/${blob.digest}`).then((answer) => this.#whole(answer))
    }
  }

  /** One stream, which a range continues where it broke off. */
  async #resumed({ digest, size }: Blob): Promise<Buffer> {
    const chunks: Buffer[] = []
    let had = 0
    for (let resumes = 0; ; resumes++) {
      try {
        const headers = had === 0 ? {} : { range: `bytes=${had}-` }
        const answer = await this.#ask('GET', `blobs/${digest}`, headers)
        if (answer.statusCode !== (had === 0 ? 200 : 206)) throw new PullEnd('rude', `${answer.statusCode} for a range`)
        for await (const chunk of answer.body as AsyncIterable<Buffer>) {
          chunks.push(chunk)
          had += chunk.length
        }
        if (had === size) return Buffer.concat(chunks)
        throw new Error(`${digest} ended after ${had} of ${size} bytes`)
      } catch (error) {
        if (error instanceof PullEnd || this.#signal.aborted || resumes === DOCKER_RESUMES) throw error
      }
    }
  }

  /** Open-ended ranges by several workers, each left after its chunk. */
  async #parallel({ digest, size }: Blob): Promise<Buffer> {
    const whole = Buffer.alloc(size)
    let next = 0
    const work = async (): Promise<void> => {
      while (next < size) {
        const start = next
        next += CONTAINERD_CHUNK_BYTES
        const end = Math.min(next, size)
        const answer = await this.#ask('GET', `blobs/${digest}`, { range: `bytes=${start}-` })
        if (answer.statusCode !== 206) throw new PullEnd('rude', `${answer.statusCode} for a range`)
        let at = start
        for await (const chunk of answer.body as AsyncIterable<Buffer>) {
          at += chunk.copy(whole, at, 0, end - at)
          if (at === end) break
        }
        if (at < end) throw new Error(`${digest} ended at ${at} before ${end}`)
      }
    }
    await Promise.all(Array.from({ length: CONTAINERD_WORKERS }, work))
    return whole
  }

  /** Throws what the answer means to a runtime, unless it is content. */
  async #ask(method: 'GET' | 'HEAD', path: string, headers: Record<string, string> = {}): Promise<Answer> {
    const { mirror, upstream, repository, runtime } = this.#pull
    // by hosts.toml, by registry-mirrors, and by name
    const url = {
      containerd: `${mirror}/v2/${repository}/${path}?ns=${upstream}`,
      docker: `${mirror}/v2/${repository}/${path}`,
      podman: `${mirror}/v2/${upstream}/${repository}/${path}`,
    }[runtime]
    const signal = this.#signal
    const answer = await request(url, {
      method,
      headers: { accept: ACCEPT, ...headers },
      signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    const { statusCode } = answer
    if (statusCode < 300) return answer
    await answer.body.dump()
    // a runtime that is told 429 or 5xx waits for the mirror, and never asks the registry
    throw new PullEnd(statusCode === 404 ? 'refused' : 'rude', `${statusCode} for ${method} ${path}`)
  }

  async #whole(answer: Answer): Promise<Buffer> {
    return Buffer.from(await answer.body.arrayBuffer())
  }
}

type Answer = Awaited<ReturnType<typeof request>>

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
