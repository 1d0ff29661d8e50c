// The bench's hand inside one host's namespace: pulls through the host's mirror, asks its loopback servers, sends and
// counts raw TCP for the calibration. Told what to do over IPC, and ends with its parent.
import type { Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { z } from 'zod'
import { ShoalError } from '../../src/base/errors.ts'
import { LOOPBACK } from '../../src/demo/index.ts'
import { parsePullTarget, pullImage } from '../../src/pull/index.ts'
import { serveTasks } from '../support/serve-tasks.ts'
import type { HandTask, Pulled } from './hand-tasks.ts'
import { handTaskSchema, sharedNowMs } from './hand-tasks.ts'

const FLOOD_CHUNK = Buffer.alloc(256 * 1024, 0x5a)
const messageSchema = z.object({ id: z.number(), task: handTaskSchema })

let pulls = new AbortController()
let watching: NodeJS.Timeout | undefined
let scrapes: number[] = []

async function perform(task: HandTask): Promise<unknown> {
  switch (task.do) {
    case 'ask':
      return LOOPBACK.ask(task.url, { method: task.method, body: task.body, headers: task.headers })
    case 'pull':
      return pull(task.mirror, task.reference)
    case 'ranges':
      return readRanges(task.ranges)
    case 'abandon':
      pulls.abort(new DOMException('abandoned', 'AbortError'))
      pulls = new AbortController()
      return null
    case 'watch':
      scrapes = []
      watching = setInterval(() => void scrape(task.url), task.everyMs)
      return null
    case 'unwatch':
      clearInterval(watching)
      return scrapes
    case 'sink':
      return sink(task)
    case 'flood':
      return flood(task.sinks)
  }
}

async function pull(mirror: string, reference: string): Promise<Pulled> {
  const result = await pullImage({ mirror, target: parsePullTarget(reference), signal: pulls.signal })
  return { endedAtMs: sharedNowMs(), bytes: result.bytes, manifest: result.manifest }
}

async function readRanges(ranges: Extract<HandTask, { do: 'ranges' }>['ranges']): Promise<number[]> {
  const took: number[] = []
  for (const { url, start, end } of ranges) {
    const startedAt = performance.now()
    const answer = await fetch(url, { headers: { range: `bytes=${start}-${end - 1}` }, signal: pulls.signal })
    const { byteLength } = await answer.arrayBuffer()
    if (answer.status !== 206 || byteLength !== end - start) {
      throw new ShoalError('UNAVAILABLE', `${url} answers ${answer.status} with ${byteLength} bytes of ${start}-${end}`)
    }
    took.push(performance.now() - startedAt)
  }
  return took
}

/** Milliseconds of one scrape; a failed one is left out, the pulls tell whether the daemon lives. */
async function scrape(url: string): Promise<void> {
  const startedAt = performance.now()
  const answer = await LOOPBACK.ask(url).catch(() => undefined)
  if (answer?.status === 200) scrapes.push(performance.now() - startedAt)
}

/** Answers the port at once; the count follows as a message of its own. */
async function sink({ address, skipMs, measureMs }: HandTask & { do: 'sink' }): Promise<{ port: number }> {
  const sockets = new Set<Socket>()
  let bytes = 0
  let openUntil = 0
  let openFrom = Number.POSITIVE_INFINITY
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    if (openUntil === 0) {
      openFrom = performance.now() + skipMs
      openUntil = openFrom + measureMs
      setTimeout(() => {
        process.send?.({ sink: (bytes / measureMs) * 1000 })
        for (const one of sockets) one.destroy()
        server.close()
      }, skipMs + measureMs)
    }
    socket.on('data', (chunk: Buffer) => {
      const now = performance.now()
      if (now >= openFrom && now < openUntil) bytes += chunk.length
    })
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, address, resolve))
  const { port } = z.object({ port: z.number() }).parse(server.address())
  return { port }
}

/** Resolves when every sink has hung up. */
async function flood(sinks: readonly { address: string; port: number }[]): Promise<null> {
  const ends = sinks.map(({ address, port }) => {
    const socket = connect(port, address)
    const send = (): void => {
      while (!socket.destroyed && socket.write(FLOOD_CHUNK)) {}
    }
    socket.once('connect', send)
    socket.on('drain', send)
    return new Promise<void>((resolve) => {
      socket.on('error', () => socket.destroy())
      socket.once('close', () => resolve())
    })
  })
  await Promise.all(ends)
  return null
}

serveTasks(messageSchema, perform)
process.send?.({ hand: 'ready' })
