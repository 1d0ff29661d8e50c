import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { boundConnections } from '../../../src/base/bound-connections.ts'
import { eventually } from '../../support/eventually.ts'

const MOST = 4

/** A server of at most four connections whose responses end when the test says so. */
async function start(t: TestContext) {
  const responses: ServerResponse[] = []
  const server = createServer((_request, response) => void responses.push(response))
  boundConnections(server, MOST)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const sockets: Socket[] = []
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
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
  return { responses, open, ask }
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
