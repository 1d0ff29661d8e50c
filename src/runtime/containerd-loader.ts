import { randomUUID } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { ShoalError } from '../base/errors.ts'
import { canonicalRepository } from '../oci/reference.ts'
import { ctrPullFlags } from './ctr-flags.ts'
import type { ImageLoader, LoadImage } from './image-loader.ts'
import { loopbackOf } from './image-loader.ts'
import { runProgram } from './run-program.ts'

export interface ContainerdLoaderOptions {
  /** containerd's unix socket. */
  readonly socketPath: string
  /** Whose images: `k8s.io` is what Kubernetes sees. */
  readonly namespace: string
  /** Undefined leaves it to the client, which takes overlayfs. */
  readonly snapshotter?: string | undefined
  /** The client program, by name or path. */
  readonly command: string
  /** Where this host's mirror listens: `127.0.0.1:7070`. */
  readonly mirror: string
  /** A directory of our own for the client's registry settings. */
  readonly hostsDir: string
}

/**
 * containerd pulls through this host's mirror, told to by its own client program: the program that came with the
 * daemon knows its API, and takes the registry settings as a directory, so that none of the machine's are touched.
 */
export class ContainerdLoader implements ImageLoader {
  readonly #options: ContainerdLoaderOptions
  #help: string | undefined

  constructor(options: ContainerdLoaderOptions) {
    this.#options = { ...options, mirror: loopbackOf(options.mirror) }
  }

  async load({ upstream, repository, tag, digest }: LoadImage, signal: AbortSignal): Promise<void> {
    const { snapshotter, hostsDir, socketPath } = this.#options
    await answers(socketPath, signal)
    await this.#writeHosts()
    const name = `${upstream}/${canonicalRepository(upstream, repository)}`
    const digested = `${name}@${digest}`
    const flags = ctrPullFlags(await this.#pullHelp(signal), { hostsDir, snapshotter })
    await this.#run(['images', 'pull', ...flags, digested], `cannot pull ${digested}`, signal)
    if (tag === null) return
    const tagging = ['images', 'tag', '--force', digested, `${name}:${tag}`]
    await this.#run(tagging, `cannot name ${digested} ${name}:${tag}`, signal)
  }

  /** What the client says of its `images pull`; asked once, as it stays the same program. */
  async #pullHelp(signal: AbortSignal): Promise<string> {
    this.#help ??= await this.#run(['images', 'pull', '--help'], 'cannot say what its client can do', signal)
    return this.#help
  }

  /** Returns what the client wrote to its standard output; throws what it complained of. */
  async #run(args: readonly string[], failure: string, signal: AbortSignal): Promise<string> {
    const { command, socketPath, namespace } = this.#options
    const all = ['--address', socketPath, '--namespace', namespace, ...args]
    const { how, stdout, stderr } = await runProgram(command, all, signal)
    if (how === 0) return stdout
    if (how === 'unrunnable') {
      throw new ShoalError('UNAVAILABLE', `cannot run ${command}, containerd's client program: ${stderr}`)
    }
    const said = complaint(stderr) ?? (typeof how === 'number' ? `exit code ${how}` : `ended by ${how}`)
    throw new ShoalError('UNAVAILABLE', `containerd at ${socketPath} ${failure}: ${said}`)
  }

  /**
   * One entry for every registry, which makes this mirror the only place to pull from: asked for a blob it does not
   * have, containerd fails instead of going upstream from all hosts at once. (1.6 reads no file without a host table.)
   */
  async #writeHosts(): Promise<void> {
    const { hostsDir, mirror } = this.#options
    const directory = join(hostsDir, '_default')
    const url = `http://${mirror}`
    const text = `server = "${url}"\n\n[host."${url}"]\n  capabilities = ["pull", "resolve"]\n`
    await mkdir(directory, { recursive: true })
    // several loads may be at it
    const staging = join(directory, `hosts.toml.${randomUUID()}`)
    await writeFile(staging, text)
    await rename(staging, join(directory, 'hosts.toml'))
  }
}

/** The client would wait ten seconds for a daemon that is not there, and then say so in its own words. */
function answers(socketPath: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath, signal })
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (signal.aborted) return reject(signal.reason)
      const why = error.code === 'EACCES' ? 'this user may not open its socket' : 'is it running?'
      const message = `containerd does not answer at ${socketPath} (${error.code ?? error.message}): ${why}`
      reject(new ShoalError('UNAVAILABLE', message, { cause: error }))
    })
  })
}

/** The last line in which the client itself complains; the others are its library's log. */
function complaint(errors: string): string | undefined {
  const lines = errors.split('\n').filter((line) => line.trim() !== '')
  const own = lines.findLast((line) => line.startsWith('ctr: ')) ?? lines.at(-1)
  return own?.replace(/^ctr: /, '')
}
