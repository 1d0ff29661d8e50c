import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { request } from 'undici'
import { stringify } from 'yaml'
import { FreePorts, ManagedProcess } from '../../src/demo/index.ts'
import { findProgram } from './runtime-test.ts'

export interface DockerRegistryOptions {
  readonly notify?: { readonly url: string; readonly authorization: string }
  readonly proxied?: string
}

/** Debian's docker-registry (Distribution) on a directory of its own. */
export class DockerRegistry implements AsyncDisposable {
  /** Its `rootdirectory`: holds docker/registry/v2. */
  readonly root: string
  /** `127.0.0.1:port`, as image names start with. */
  readonly address: string
  readonly process: ManagedProcess

  private constructor(root: string, address: string, process: ManagedProcess) {
    this.root = root
    this.address = address
    this.process = process
  }

  /** `notify`: a webhook's URL and the `Authorization` header it is sent with. `proxied`: the registry it is a pull-through cache of. */
  static async start(directory: string, { notify, proxied }: DockerRegistryOptions = {}): Promise<DockerRegistry> {
    const address = `127.0.0.1:${await new FreePorts().take()}`
    const root = join(directory, 'registry')
    await mkdir(root, { recursive: true })
    const config = {
      version: 0.1,
      log: { level: 'warn', accesslog: { disabled: false } },
      storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
      http: { addr: address },
      ...(notify === undefined ? {} : { notifications: notifications(notify) }),
      ...(proxied === undefined ? {} : { proxy: { remoteurl: proxied } }),
    }
    const file = join(directory, 'registry.yaml')
    await writeFile(file, stringify(config))
    const command = findProgram('docker-registry') ?? 'docker-registry'
    const started = await ManagedProcess.start({ name: 'docker-registry', command, args: ['serve', file] })
    try {
      await started.waitUntil('answering', async () => {
        const response = await request(`http://${address}/v2/`)
        await response.body.dump()
        return response.statusCode === 200
      })
      return new DockerRegistry(root, address, started)
    } catch (error) {
      await started.stop()
      throw error
    }
  }

  get url(): string {
    return `http://${this.address}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stop()
  }
}

function notifications({ url, authorization }: { readonly url: string; readonly authorization: string }) {
  const patience = { timeout: '5s', threshold: 5, backoff: '1s' }
  return { endpoints: [{ name: 'shoal', url, headers: { Authorization: [authorization] }, ...patience }] }
}
