import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import type { BuiltImage } from '../../src/demo/index.ts'
import { MetricsSnapshot } from '../../src/demo/index.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { AgentProcess } from '../support/agent-process.ts'
import { answered } from '../support/answered.ts'
import { eventually } from '../support/eventually.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { NO_THROTTLE, SmallDisk } from '../support/small-disk.ts'

const UP = 'registry.test'

/** A host as a process: its calls that hang take threads of its own. It ends before its disk goes. */
class Host implements AsyncDisposable {
  readonly #process: AgentProcess

  constructor(process: AgentProcess) {
    this.#process = process
  }

  static async start(fleet: NodeFleet, spec: HostSpec): Promise<Host> {
    const { role, origin, caches = [], disk } = spec
    const config = join(fleet.directory, `${role}.json`)
    const settings = {
      role,
      store: { path: join(disk?.path ?? fleet.directory, role), minFree: 0 },
      tier: { caches: await Promise.all(caches.map((cache) => cache.peer)) },
      search: [UP],
      upstreams: [directoryUpstream(UP, origin)],
    }
    await writeFile(config, JSON.stringify(settings))
    const process = new AgentProcess(fleet.directory, { config, prefix: disk?.confined ?? [] })
    const host = new Host(process)
    await process.ready
    return host
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]()
  }

  get peer(): Promise<string> {
    return this.#process.ready.then(({ peer }) => peer)
  }

  async admin(path: string): Promise<Response> {
    const { admin } = await this.#process.ready
    return await fetch(`http://${admin}/${path}`)
  }

  async metrics(): Promise<MetricsSnapshot> {
    return new MetricsSnapshot(await (await this.admin('metrics')).text())
  }

  async isDisk(state: string): Promise<boolean> {
    return (await this.metrics()).sum('shoal_store_state', { state }) === 1
  }

  async pull(tag: string, image: BuiltImage): Promise<void> {
    const { mirror } = await this.#process.ready
    const digest = async (path: string): Promise<string | number> => {
      const { status, bytes } = await whole(() => fetch(`http://${mirror}/v2/team/app/${path}?ns=${UP}`))
      return status === 200 ? digestOf(bytes) : status
    }
    assert.equal(await digest(`manifests/${tag}`), image.manifest.digest)
    const blobs = [image.config, ...image.layers].map((blob) => blob.digest)
    assert.deepEqual(await Promise.all(blobs.map((blob) => digest(`blobs/${blob}`))), blobs)
  }
}

/** A body that was under way when the disk began to hang may be cut, once: runtimes ask again, and then it comes. */
async function whole(ask: () => Promise<Response>): ReturnType<typeof answered> {
  try {
    return await answered(ask)
  } catch (error) {
    assert.ok(error instanceof TypeError)
    return await answered(ask)
  }
}

interface HostSpec {
  readonly role: 'cache' | 'agent'
  readonly origin: string
  readonly caches?: readonly Host[]
  readonly disk?: SmallDisk
}

interface Scene {
  readonly fleet: NodeFleet
  readonly disk: SmallDisk
  readonly origin: string
  readonly before: BuiltImage
  readonly after: BuiltImage
}

async function scene(t: TestContext): Promise<Scene> {
  const disk = await SmallDisk.onDevice(t, 128)
  const fleet = await NodeFleet.create(t)
  const [before, after] = [await fleet.image({ seed: 1 }), await fleet.image({ seed: 2 })]
  const origin = await fleet.push('origin', 'team/app', 'v1', before)
  await fleet.push('origin', 'team/app', 'v2', after)
  return { fleet, disk, origin, before, after }
}

describe('a device that stops answering: reads and writes hang', { skip: NO_THROTTLE }, () => {
  test('at a host: pulls end through memory, health and metrics answer, and the disk is used when it is back', async (t) => {
    const { fleet, disk, origin, before, after } = await scene(t)
    await using host = await Host.start(fleet, { role: 'agent', origin, disk })
    await host.pull('v1', before)
    using hanging = disk.hang()
    await Promise.all([host.pull('v2', after), host.pull('v1', before)])
    assert.equal((await host.admin('healthz')).status, 200)
    await eventually('it is noticed', () => host.isDisk('stalled'))
    assert.equal((await host.admin('readyz')).status, 200)
    assert.equal((await host.admin('readyz?want=disk')).status, 503)
    for (const [tag, image] of [
      ['v1', before],
      ['v2', after],
    ] as const)
      await host.pull(tag, image)
    hanging[Symbol.dispose]()
    await eventually('the disk can be used again', () => host.isDisk('ok'))
    await host.pull('v2', after)
  })

  test("at a region's only cache: its hosts' pulls end, of what it has on disk and of what is new", async (t) => {
    const { fleet, disk, origin, before, after } = await scene(t)
    await using cache = await Host.start(fleet, { role: 'cache', origin, disk })
    await using agent = await Host.start(fleet, { role: 'agent', origin, caches: [cache] })
    // by a client of the cache's own: the agent has nothing of it
    await cache.pull('v1', before)
    using hanging = disk.hang()
    await Promise.all([agent.pull('v2', after), agent.pull('v1', before)])
    assert.equal((await cache.admin('healthz')).status, 200)
    await eventually('the cache notices', () => cache.isDisk('stalled'))
    hanging[Symbol.dispose]()
    await eventually('the disk can be used again', () => cache.isDisk('ok'))
    await cache.pull('v2', after)
  })
})
