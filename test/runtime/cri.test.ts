import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Fleet, ManagedProcess } from '../../src/demo/index.ts'
import { criPull } from '../support/cri.ts'
import { docsBlock } from '../support/docs-block.ts'
import { execute } from '../support/execute.ts'
import { logsOnFailure } from '../support/logs-on-failure.ts'
import { findProgram, runtimeTest } from '../support/runtime-test.ts'
import { TempDir } from '../support/temp-dir.ts'

const NEEDS = { programs: ['containerd', 'runc'], packages: 'containerd runc' }
const IMAGES = { 1: 'io.containerd.grpc.v1.cri".containerd', 2: 'io.containerd.cri.v1.images"' } as const

/** containerd with its CRI plugin and the lines of the guide for its version; gives its socket. */
async function startCri(
  directory: string,
  hostsDir: string,
): Promise<AsyncDisposable & { readonly socketPath: string }> {
  const { stdout } = await execute('containerd', ['--version'])
  const version = /\sv?2\./.test(stdout) ? 2 : 1
  await mkdir(directory, { recursive: true })
  const socketPath = join(directory, 'sock')
  const block = `containerd ${version} config.toml`
  const replacing = { '/etc/containerd/certs.d': hostsDir }
  const lines = [
    docsBlock('docs/runtimes.md', block, replacing),
    `[plugins."${IMAGES[version]}]`,
    '  snapshotter = "native"',
    '[grpc]',
    `  address = "${socketPath}"`,
    '[ttrpc]',
    `  address = "${socketPath}.ttrpc"`,
  ]
  const places = `root = "${join(directory, 'root')}"\nstate = "${join(directory, 'state')}"\n`
  const config = join(directory, 'config.toml')
  await writeFile(config, `${places}${lines.join('\n')}\n`)
  const command = findProgram('containerd') ?? 'containerd'
  const started = await ManagedProcess.start({ name: 'containerd', command, args: ['--config', config] })
  const answers = async (): Promise<boolean> =>
    (await execute('ctr', ['--address', socketPath, 'plugins', 'list', 'id==cri'])).stdout.includes(' ok')
  await started.waitUntil('answering', answers)
  return {
    socketPath,
    async [Symbol.asyncDispose]() {
      await started.stop()
    },
  }
}

runtimeTest(
  'Kubernetes on containerd pulls through hosts.toml once config_path names its directory',
  NEEDS,
  async (t) => {
    await using temp = await TempDir.make()
    await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 1 }] })
    logsOnFailure(t, fleet)
    await fleet.push({ sizeBytes: 8 * 1024 * 1024, layerCount: 2, gzip: true }, 'team/app:1')
    const mirror = fleet.agents[0]?.mirrorUrl ?? ''
    const hostsDir = join(temp.path, 'certs.d')
    await mkdir(join(hostsDir, 'registry.test'), { recursive: true })
    const settings = docsBlock('docs/runtimes.md', 'containerd hosts.toml', {
      'https://registry.corp': mirror,
      'http://127.0.0.1:7070': mirror,
    })
    await writeFile(join(hostsDir, 'registry.test', 'hosts.toml'), settings)
    {
      await using unsaid = await startCri(join(temp.path, 'u'), '')
      await assert.rejects(criPull(unsaid.socketPath, 'registry.test/team/app:1'), /failed to (do|resolve)/)
    }
    await using cri = await startCri(join(temp.path, 'c'), hostsDir)
    await criPull(cri.socketPath, 'registry.test/team/app:1')
    await assert.rejects(criPull(cri.socketPath, 'registry.test/team/none:1'), /not found/)
  },
)
