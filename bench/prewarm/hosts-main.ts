// A process full of light hosts: starts them when told, and ends with its parent.
import { readFile } from 'node:fs/promises'
import { requireDigest } from '../../src/oci/digest.ts'
import { eachAtMost } from '../support/each-at-most.ts'
import { serveTasks } from '../support/serve-tasks.ts'
import { LightHost } from './light-host.ts'
import { DigestNumbers, LightStore } from './light-store.ts'
import type { HostsState, Task } from './tasks.ts'
import { heldSchema, messageSchema } from './tasks.ts'

/**
 * A handshake is some 10 ms of the cache's time. So few at once, in each of a few processes, end well within a dial's two
 * seconds also where the cache has a part of one core: those that do not have cost it the same and must come again.
 */
const LINKED_AT_ONCE = 4

const hosts: LightHost[] = []
const digests = new DigestNumbers()
// the daemon's timers do not keep a process alive, and the hosts have no others
setInterval(() => {}, 60_000)

async function open(task: Extract<Task, { do: 'open' }>): Promise<HostsState> {
  const { first, count, heldFile, ...options } = task
  const listed = heldSchema.parse(JSON.parse(await readFile(heldFile, 'utf8')))
  const held = listed.map(({ digest, size }) => ({ digest: requireDigest(digest), size }))
  const numbers = Array.from({ length: count }, (_, i) => first + i)
  await eachAtMost(LINKED_AT_ONCE, numbers, async (number) => {
    const store = new LightStore(digests)
    for (const { digest, size } of held) store.hold(digest, size)
    hosts.push(await LightHost.start({ ...options, number }, store))
  })
  return look()
}

function look(): HostsState {
  return {
    linked: hosts.filter(({ linked }) => linked).length,
    blobs: hosts.reduce((sum, { blobs }) => sum + blobs, 0),
  }
}

serveTasks(messageSchema, async (task) => (task.do === 'open' ? open(task) : look()))
