import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { boundConnections, queueConnections } from '../../../src/base/bound-connections.ts'
import { eventually } from '../../support/eventually.ts'

const MOST = 4

/** A server of at most four connections whose responses end when the test says so. */
async function start(t: TestContext, bound: typeof boundConnections | typeof queueConnections = boundConnections) {
  const responses: ServerResponse[] = []
  const server = createServer((_request, response) => void responses.push(response))
  const waiting = bound(server, MOST)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const sockets: Socket[] = []
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    waiting?.[Symbol.dispose]()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const open = async (): Promise<Socket> => {
    const socket = connect(address.port, '127.0.0.1')
    socket.on('error', () => {}).resume()
    sockets.push(socket)
    await once(socket, 'connect')
    return socket
  }
  const ask = async (): Promise<Socket> => {
    const [socket, seen] = [await open(), responses.length]
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await eventually('the request is there', () => responses.length > seen)
    return socket
  }
  return { responses, open, ask, port: address.port }
}

test('the longest idle connection gives way to a new one, also one that has begun a request and stopped', async (t) => {
  const { open, ask } = await start(t)
  const [first, second] = [await open(), await open()]
  first.write('GET / HTTP/1.1\r\nHost: x\r\n')
  await open()
  await open()
  const asked = await ask()
  await eventually('the first is ended', () => first.destroyed)
  await ask()
  await eventually('the second is ended', () => second.destroyed)
  assert.equal(asked.destroyed, false)
})

test('a connection whose request is running is not ended for a new one', async (t) => {
  const { responses, open, ask } = await start(t)
  const busy = await Promise.all(Array.from({ length: MOST }, () => ask()))
  await eventually('all requests are running', () => responses.length === MOST)
  const late = await open()
  await eventually('the one too many is turned away', () => late.destroyed)
  assert.deepEqual(
    busy.map((socket) => socket.destroyed),
    busy.map(() => false),
  )
  // idle again, it is the one that gives way
  responses[0]!.end()
  await once(responses[0]!, 'close')
  await ask()
  await eventually('one of them is ended', () => busy.filter((socket) => socket.destroyed).length === 1)
})

test('where new connections wait, all are served in the end, a few at a time, and each response ends its connection', async (t) => {
  const { responses, port } = await start(t, queueConnections)
  const all = 10 * MOST
  const answers = Array.from({ length: all }, async (_, i) => {
    const response = await fetch(`http://127.0.0.1:${port}/${i}`)
    return await response.text()
  })
  for (let answered = 0; answered < all; answered++) {
    await eventually('the next has its turn', () => responses.length > answered)
    assert.ok(responses.length - answered <= MOST, 'no more at once')
    responses[answered]!.end(`response ${answered}`)
  }
  assert.equal(new Set(await Promise.all(answers)).size, all)
})

test('where new connections wait, those that bring no request give way', async (t) => {
  const { open, ask } = await start(t, queueConnections)
  const silent = await Promise.all(Array.from({ length: 2 * MOST }, () => open()))
  await ask()
  assert.ok(silent.some((socket) => socket.destroyed))
})

test('a server whose connections wait can be closed while they do', async (t) => {
  const { ask, open } = await start(t, queueConnections)
  await Promise.all(Array.from({ length: MOST }, () => ask()))
  await open()
})
