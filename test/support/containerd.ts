import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ManagedProcess } from '../../src/demo/index.ts'
import { ctrPullFlags } from '../../src/runtime/ctr-flags.ts'
import { docsBlock } from './docs-block.ts'
import { execute } from './execute.ts'
import { findProgram } from './runtime-test.ts'

/** A containerd with root, state and socket in one directory, and no plugin that reaches outside of it. */
export class Containerd implements AsyncDisposable {
  readonly process: ManagedProcess
  /** For `ctr images pull --hosts-dir`. */
  readonly hostsDir: string
  readonly socketPath: string

  private constructor(directory: string, process: ManagedProcess) {
    this.process = process
    this.hostsDir = join(directory, 'hosts')
    this.socketPath = join(directory, 'sock')
  }

  static async start(directory: string): Promise<Containerd> {
    await mkdir(directory, { recursive: true })
    const config = join(directory, 'config.toml')
    await writeFile(config, configText(directory))
    const command = findProgram('containerd') ?? 'containerd'
    const started = await ManagedProcess.start({ name: 'containerd', command, args: ['--config', config] })
    const containerd = new Containerd(directory, started)
    try {
      await started.waitUntil('answering', async () => (await containerd.ctr('version')) !== '')
      return containerd
    } catch (error) {
      await containerd[Symbol.asyncDispose]()
      throw error
    }
  }

  /** The settings of docs/runtimes.md, but with the mirror in the registry's place too: nothing is asked upstream. */
  async useMirror(
    registry: string,
    mirror: string,
    block = 'containerd hosts.toml',
    replacing: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const directory = join(this.hostsDir, registry)
    await mkdir(directory, { recursive: true })
    const settings = docsBlock('docs/runtimes.md', block, {
      ...replacing,
      'https://registry.corp': mirror,
      'http://127.0.0.1:7070': mirror,
    })
    await writeFile(join(directory, 'hosts.toml'), settings)
  }

  /** Runs `ctr ...` against this containerd. Answers what it printed. */
  async ctr(...args: readonly string[]): Promise<string> {
    return (await execute('ctr', ['--address', this.socketPath, ...args])).stdout
  }

  async pull(reference: string): Promise<string> {
    const help = await this.ctr('images', 'pull', '--help')
    const flags = ctrPullFlags(help, { hostsDir: this.hostsDir, snapshotter: 'native' })
    return this.ctr('images', 'pull', ...flags, reference)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stop()
  }
}

function configText(directory: string): string {
  // cri wants a network configuration; the others want file systems that may not be there.
  const disabled = [
    'io.containerd.grpc.v1.cri',
    'io.containerd.cri.v1.images',
    'io.containerd.cri.v1.runtime',
    'io.containerd.snapshotter.v1.aufs',
    'io.containerd.snapshotter.v1.btrfs',
    'io.containerd.snapshotter.v1.devmapper',
    'io.containerd.snapshotter.v1.zfs',
  ]
  return [
    'version = 2',
    `root = "${join(directory, 'root')}"`,
    `state = "${join(directory, 'state')}"`,
    `disabled_plugins = ${JSON.stringify(disabled)}`,
    '[grpc]',
    `  address = "${join(directory, 'sock')}"`,
    '[ttrpc]',
    `  address = "${join(directory, 'sock.ttrpc')}"`,
    '',
  ].join('\n')
}
