import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ManagedProcess } from '../../src/demo/index.ts'
import { docsBlock } from './docs-block.ts'
import type { ExecuteOptions } from './execute.ts'
import { execute } from './execute.ts'
import { findProgram } from './runtime-test.ts'

/** Docker Engine with everything of its own (data, socket, containerd) in one directory; touches no network setting. */
export class Dockerd implements AsyncDisposable {
  readonly process: ManagedProcess
  readonly #directory: string

  private constructor(directory: string, process: ManagedProcess) {
    this.#directory = directory
    this.process = process
  }

  /** Keep `directory` short: it becomes part of socket paths, which end at 107 bytes. */
  static async start(
    directory: string,
    { mirror, storage = 'vfs' }: { readonly mirror: string; readonly storage?: 'vfs' | 'fastest' },
  ): Promise<Dockerd> {
    await mkdir(directory, { recursive: true })
    const config = join(directory, 'daemon.json')
    await writeFile(config, docsBlock('docs/runtimes.md', 'daemon.json', { 'http://127.0.0.1:7070': mirror }))
    const args = [
      ...['--data-root', join(directory, 'data'), '--exec-root', join(directory, 'exec')],
      ...['--host', `unix://${join(directory, 'sock')}`, '--pidfile', join(directory, 'pid')],
      ...['--config-file', config, ...(storage === 'vfs' ? ['--storage-driver', 'vfs'] : [])],
      ...['--iptables=false', '--ip-masq=false', '--bridge=none', '--userland-proxy=false'],
    ]
    const started = await ManagedProcess.start({ name: 'dockerd', command: findProgram('dockerd') ?? 'dockerd', args })
    const dockerd = new Dockerd(directory, started)
    try {
      await started.waitUntil(
        'answering',
        async () => (await dockerd.docker('version', '--format', '{{.Server.Version}}')) !== '',
      )
      return dockerd
    } catch (error) {
      await dockerd[Symbol.asyncDispose]()
      throw error
    }
  }

  get socketPath(): string {
    return join(this.#directory, 'sock')
  }

  /** Runs `docker ...` against this daemon, without any user's own settings. Answers what it printed. */
  async docker(...args: readonly string[]): Promise<string> {
    return (await this.run(args)).stdout
  }

  /** The same with everything that it printed, and more time or other settings. */
  run(args: readonly string[], { env, timeoutMs }: ExecuteOptions = {}): Promise<{ stdout: string; stderr: string }> {
    const host = ['--host', `unix://${this.socketPath}`]
    const own = { DOCKER_CONFIG: join(this.#directory, 'client') }
    return execute('docker', [...host, ...args], { env: { ...own, ...env }, timeoutMs })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stop()
    // containers on this machine's own network leave it mounted here
    await execute('umount', ['--lazy', join(this.#directory, 'exec/netns/default')]).catch(() => {})
  }
}
