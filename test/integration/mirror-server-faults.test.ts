import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { MEDIA_TYPE } from '../../src/oci/manifest.ts'
import { eventually } from '../support/eventually.ts'
import { HandClock } from '../support/hand-clock.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { MemoryContent } from '../support/memory-content.ts'
import type { OpenMirror } from '../support/open-mirror.ts'
import { openMirror } from '../support/open-mirror.ts'
import { RawConnection, rawExchange } from '../support/raw-http.ts'

const content = new MemoryContent()
const BYTES = Buffer.alloc(100_000, 'blob')
const { digest, blob } = content.putBlob('local', 'app', BYTES)
content.putManifest('local', 'app', Buffer.from('{}'), { tag: 'v1', mediaType: MEDIA_TYPE.ociManifest })
let open: OpenMirror

before(async () => {
  open = await openMirror(content)
})
after(() => open[Symbol.asyncDispose]())

describe('requests that are hardly requests', () => {
  const cases: [what: string, request: string, status: number][] = [
    ['bad percent-encoding', 'GET /v2/%zz/manifests/v1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400],
    [
      'an overlong encoding',
      'GET /v2/%c0%af/manifests/v1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      400,
    ],
    [
      'a name of 4000 characters',
      `GET /v2/${'a'.repeat(4000)}/manifests/v1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      400,
    ],
    [
      'a URL beyond all limits',
      `GET /v2/${'a'.repeat(40_000)}/manifests/v1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      431,
    ],
    ['an absolute URL', 'GET http://localhost/v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 404],
    ['an asterisk', 'OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 404],
    ['a method of WebDAV', 'PROPFIND /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 405],
    ['a method nobody knows', 'BREW /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n', 400],
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\r\n\r\n', 400],
    ['HTTP/1.1 without Host', 'GET /v2/ HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['HTTP/1.0 without Host', 'GET /v2/ HTTP/1.0\r\n\r\n', 200],
    [
      'an expectation nobody knows',
      'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nExpect: magic\r\nConnection: close\r\n\r\n',
      200,
    ],
    [
      'a write that waits for permission',
      'PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
      405,
    ],
    [
      'a GET with a body',
      'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5\r\nConnection: close\r\n\r\n{"x":',
      200,
    ],
    [
      'a version to accept',
      'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nAccept-Version: 9.x\r\nConnection: close\r\n\r\n',
      200,
    ],
    ['an upgrade', 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: upgrade, close\r\n\r\n', 200],
  ]
  for (const [what, request, status] of cases) {
    it(`${what} is answered ${status} in JSON`, async () => {
      const answer = await rawExchange(open.port, request)
      assert.equal(answer.status, status, answer.head)
      assert.match(answer.head, /content-type: application\/json(\r\n|$)/i)
      const length = /content-length: (\d+)/i.exec(answer.head)?.[1]
      assert.equal(answer.body.length, Number(length))
      const body = JSON.parse(answer.body)
      if (status !== 200) assert.equal(typeof body.errors[0].code, 'string')
    })
  }

  it('a web page of another site is refused before anybody is asked, whatever it asks for', async () => {
    const asked = content.asked.length
    for (const path of ['/v2/', '/v2/app/manifests/v1', `/v2/app/blobs/${digest}`, '/v2/app/tags/list']) {
      for (const headers of [
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
        { origin: 'null' },
      ]) {
        const response = await fetch(`${open.url}${path}`, { headers: headers as Record<string, string> })
        const { errors } = (await response.json()) as { errors: { code: string }[] }
        assert.deepEqual([response.status, errors[0]?.code], [403, 'DENIED'], path)
      }
    }
    assert.equal(content.asked.length, asked)
  })
  it('HEAD of an error has no body', async () => {
    const answer = await rawExchange(open.port, 'HEAD /v2/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    assert.equal(answer.status, 404)
    assert.equal(answer.body, '')
  })

  it('garbage after a request that is being answered cuts the body and adds nothing to it', async () => {
    blob.holdAt(50_000)
    using connection = await RawConnection.open(open.port)
    connection.send(`GET /v2/app/blobs/${digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    await connection.until(() => connection.body.length === 50_000)
    connection.send('\x00garbage\r\n\r\n')
    await connection.ended
    assert.deepEqual(connection.body, BYTES.subarray(0, 50_000))
    await eventually('the reader is disposed', () => blob.openReaders === 0)
    blob.arrive(BYTES.length)
  })

  it('pipelined requests are answered in order, and let go together when the client leaves', async () => {
    using connection = await RawConnection.open(open.port)
    const get = `GET /v2/app/blobs/${digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`
    connection.send(get.repeat(3))
    await connection.until((received) => received.length > 3 * BYTES.length)
    blob.holdAt(0)
    connection.send(get.repeat(20))
    await eventually('readers are open', () => blob.openReaders > 1)
    connection.socket.destroy()
    await eventually('all readers are disposed', () => blob.openReaders === 0)
    blob.arrive(BYTES.length)
  })
})

/** What comes while time runs on: a limit may be of several timers, one after the other. */
async function inTheEnd<T>(clock: HandClock, answer: Promise<T>): Promise<T> {
  let isThere = false
  void answer.finally(() => {
    isThere = true
  })
  await eventually('it is answered', () => {
    clock.fire()
    return isThere
  })
  return answer
}

describe('an upstream that does not answer', () => {
  it('is given up for a prompt 404, and a blob opened too late is given back', async () => {
    const clock = new HandClock()
    await using slow = await openMirror(content, {}, clock)
    const paths = ['manifests/v1', `blobs/${digest}`, 'tags/list', `referrers/${digest}`]
    for (const path of paths) {
      const resume = content.stall('local')
      const asked = content.asked.length
      const answer = rawExchange(
        slow.port,
        `GET /v2/app/${path}?ns=local HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      )
      await eventually('it is asked for', () => content.asked.length > asked)
      assert.equal((await inTheEnd(clock, answer)).status, 404, path)
      resume()
      await eventually('the reader is disposed', () => blob.openReaders === 0)
    }
  })

  it('does not keep GET /v2/ from being 200', async () => {
    const clock = new HandClock()
    await using slow = await openMirror(content, {}, clock)
    const resume = content.stall('local')
    const answer = rawExchange(slow.port, 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    await eventually('it waits', () => clock.timers.size > 0)
    assert.equal((await inTheEnd(clock, answer)).status, 200)
    resume()
  })
})

describe('draining', () => {
  const get = `GET /v2/app/blobs/${digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`

  async function halfSent(server: OpenMirror): Promise<RawConnection> {
    blob.holdAt(50_000)
    const connection = await RawConnection.open(server.port)
    connection.send(get)
    await connection.until(() => connection.body.length === 50_000)
    return connection
  }

  it('serves the rest of a pull, layer after layer, and closes when none is under way', async () => {
    const clock = new ManualClock()
    const server = await openMirror(content, { drainMs: 60_000 }, clock)
    using idle = await RawConnection.open(server.port)
    using running = await halfSent(server)
    const drained = server.server.drain()
    for (let layer = 0; layer < 3; layer++) {
      const next = await fetch(`${server.url}/v2/app/manifests/v1`)
      assert.equal(next.status, 200, 'a layer that had not been asked for yet')
      await next.arrayBuffer()
    }
    blob.arrive(BYTES.length)
    await running.until(() => running.body.length === BYTES.length)
    assert.deepEqual(running.body, BYTES)
    assert.equal((await fetch(`${server.url}/v2/`)).status, 200, 'the runtime unpacks, and asks again')
    await eventually('the quiet is waited for', () => {
      clock.advance(1_000)
      return idle.isEnded
    })
    await drained
    const refused = connect({ port: server.port, host: '127.0.0.1' })
    const [error] = await once(refused, 'error')
    assert.equal(error.code, 'ECONNREFUSED')
  })

  it('closes at once when nobody pulls', async () => {
    const clock = new ManualClock()
    const server = await openMirror(content, {}, clock)
    await (await fetch(`${server.url}/v2/`)).arrayBuffer()
    clock.advance(10_000)
    await server.server.drain()
  })

  it('cuts off what is still running after its time', async () => {
    const clock = new ManualClock()
    const server = await openMirror(content, { drainMs: 1234 }, clock)
    using running = await halfSent(server)
    const drained = server.server.drain()
    clock.advance(1233)
    assert.equal(running.isEnded, false)
    clock.advance(1)
    assert.equal(await running.ended, 'fin')
    assert.equal(running.body.length, 50_000)
    await drained
    assert.equal(blob.openReaders, 0)
  })

  it('cuts off at once when called again, and is idempotent', async () => {
    const server = await openMirror(content, {}, new HandClock())
    using running = await halfSent(server)
    const first = server.server.drain()
    await server[Symbol.asyncDispose]()
    await first
    assert.equal(await running.ended, 'fin')
    assert.equal(blob.openReaders, 0)
    await server[Symbol.asyncDispose]()
  })

  it('answers requests on connections still open, and closes those', async () => {
    const server = await openMirror(content, {}, new ManualClock())
    using running = await halfSent(server)
    const drained = server.server.drain()
    running.send('GET /v2/app/manifests/v1 HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await eventually('it is asked for', () => content.asked.at(-1)?.what === 'manifest')
    blob.arrive(BYTES.length)
    assert.equal(await running.ended, 'fin')
    const rest = running.body.subarray(BYTES.length).toString('latin1')
    assert.match(rest, /^HTTP\/1\.1 200 /)
    assert.match(rest, /connection: close/i)
    await server[Symbol.asyncDispose]()
    await drained
  })
})

describe('starting', () => {
  it('refuses an address that is taken', async () => {
    await assert.rejects(openMirror(content, { listen: { host: '127.0.0.1', port: open.port } }), {
      code: 'EADDRINUSE',
    })
  })
  it('ends the longest idle connection rather than turn a new one away', async () => {
    await using small = await openMirror(content, { maxConnections: 4 })
    const idle = await Promise.all(Array.from({ length: 8 }, () => RawConnection.open(small.port)))
    for (let i = 0; i < 3; i++) assert.equal((await fetch(`${small.url}/v2/`)).status, 200)
    for (const connection of idle) connection[Symbol.dispose]()
  })
  it('keeps idle connections for longer than Go clients do', async () => {
    using connection = await RawConnection.open(open.port)
    connection.send('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const seconds = Number(/^keep-alive: timeout=(\d+)/im.exec(await connection.head())?.[1])
    assert.ok(seconds >= 120, `${seconds} s`)
  })
})
