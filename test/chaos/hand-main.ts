// A hand in one host's namespace: pulls through the host's mirror as runtimes do, asks its servers, holds connections, or
// is a registry. Told what to do over IPC, and ends with its parent.
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { z } from 'zod'
import { serveTasks } from '../../bench/support/serve-tasks.ts'
import { systemClock } from '../../src/base/clock.ts'
import { retry } from '../../src/base/retry.ts'
import { OriginProxy } from '../../src/demo/origin-proxy.ts'
import { LOOPBACK } from '../../src/demo/place.ts'
import type { HandTask } from './hand-tasks.ts'
import { handTaskSchema } from './hand-tasks.ts'
import { pull } from './runtime-pull.ts'
import { TreeRegistry } from './tree-registry.ts'

const messageSchema = z.object({ id: z.number(), task: handTaskSchema })

let proxy: OriginProxy | undefined
const held = new Set<Socket>()

async function perform(task: HandTask): Promise<unknown> {
  switch (task.do) {
    case 'ask':
      return LOOPBACK.ask(task.url, task)
    case 'pull':
      return pull(task)
    case 'registry': {
      const registry = await TreeRegistry.listen(task.root)
      proxy = await OriginProxy.listen(registry.url, task.address)
      return proxy.url
    }
    case 'registry-faults':
      return proxy?.setFaults(task.faults)
    case 'registry-counters':
      return proxy?.counters()
    case 'fill-bucket':
      return fillBucket(task)
    case 'empty-bucket':
      return emptyBucket(task)
    case 'hold':
      return hold(task)
    case 'let-go':
      for (const socket of held) socket.destroy()
      held.clear()
      return
  }
}

async function fillBucket({ endpoint, bucket, root }: HandTask & { do: 'fill-bucket' }): Promise<void> {
  // large, and of one origin's hand only
  const { copyTreeToBucket, originClient } = await import('../../src/demo/index.ts')
  // the server may close a connection at the moment it is used again
  await retry(() => copyTreeToBucket(originClient(endpoint), { root, bucket }), {
    clock: systemClock,
    waitsMs: [100, 500, 2_000],
    signal: new AbortController().signal,
    isPassing: () => true,
  })
}

async function emptyBucket({ endpoint, bucket, keys }: HandTask & { do: 'empty-bucket' }): Promise<void> {
  const [{ originClient }, { DeleteObjectCommand }] = await Promise.all([
    import('../../src/demo/index.ts'),
    import('@aws-sdk/client-s3'),
  ])
  const client = originClient(endpoint)
  for (const Key of keys) await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }))
}

function hold({ host, port, connections, text, reads }: HandTask & { do: 'hold' }): void {
  for (let made = 0; made < connections; made++) {
    const socket = connect({ host, port })
    socket.on('error', () => held.delete(socket))
    socket.once('close', () => held.delete(socket))
    socket.once('connect', () => socket.write(text))
    if (reads) socket.resume()
    held.add(socket)
  }
}

serveTasks(messageSchema, perform)
