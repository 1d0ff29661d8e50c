import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildImage, Fleet, writeToBucketTree } from '../../src/demo/index.ts'
import { tempDir } from '../support/temp-dir.ts'

const MIB = 1024 * 1024

/** The most memory a process has had resident so far, in MiB: Linux, proc(5), VmHWM. */
async function peakMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024
}

test('a layer of 2 GiB goes through a cache and an agent, and memory stays flat in both', async (t) => {
  const directory = await tempDir(t)
  const image = await buildImage(join(directory, 'blobs'), { sizeBytes: 2048 * MIB, layerCount: 1 })
  await writeToBucketTree(join(directory, 'images'), { repository: 'library/huge', tag: '1' }, image)
  const origins = [{ kind: 'directory', path: join(directory, 'images') }]
  await using fleet = await Fleet.start({
    regions: [{ name: 'default', caches: 1, agents: 1 }],
    upstreams: [{ name: 'docker.io', access: 'node', origins }],
  })
  const [agent] = fleet.agents
  const [cache] = fleet.caches
  const { digest } = await fleet.pull(agent!, 'docker.io/library/huge:1')
  assert.equal(digest, image.manifest.digest)
  // a cache reads eight ranges of its origin at once, and sends eight pieces: it may hold more than an agent
  for (const [host, most] of [
    [agent!, 250],
    [cache!, 320],
  ] as const) {
    const peak = await peakMiB(host.pid)
    t.diagnostic(`${host.name}: ${Math.round(peak)} MiB`)
    assert.ok(peak < most, `${host.name} had ${Math.round(peak)} MiB resident, ${most} are allowed`)
  }
})
