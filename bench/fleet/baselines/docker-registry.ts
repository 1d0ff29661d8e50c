import { existsSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { commandIn, ManagedProcess } from '../../../src/demo/index.ts'
import type { Hand } from '../hand.ts'
import type { Stage } from '../stage.ts'

const DOCKER_REGISTRY = '/usr/bin/docker-registry'
const PORT = 5000

export interface RunningRegistry extends AsyncDisposable {
  readonly url: string
}

export async function registryInstalled(): Promise<boolean> {
  return existsSync(DOCKER_REGISTRY)
}

/** Debian's docker-registry on a host of the network: of the directory `root`, or a pull-through cache of `remote`. */
export async function startRegistry(
  stage: Stage,
  hand: Hand,
  content: { readonly root: string } | { readonly remote: string },
): Promise<RunningRegistry> {
  const directory = await mkdtemp(join(stage.directory, 'registry-'))
  const rootdirectory = 'root' in content ? content.root : join(directory, 'store')
  const url = `http://${hand.host.address}:${PORT}`
  const config = {
    version: 0.1,
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory }, cache: { blobdescriptor: 'inmemory' } },
    http: { addr: `${hand.host.address}:${PORT}` },
    ...('remote' in content ? { proxy: { remoteurl: content.remote } } : {}),
  }
  const file = join(directory, 'config.yml')
  await writeFile(file, stringify(config))
  const command = commandIn(hand.place, DOCKER_REGISTRY, ['serve', file])
  const started = await ManagedProcess.start({ name: `registry on ${hand.host.name}`, ...command })
  try {
    await started.waitUntil('ready', async () => (await hand.place.ask(`${url}/v2/`)).status === 200, 15_000)
  } catch (error) {
    await started.stop()
    throw error
  }
  return {
    url,
    async [Symbol.asyncDispose]() {
      await started.stop()
    },
  }
}
