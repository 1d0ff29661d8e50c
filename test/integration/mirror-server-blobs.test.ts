import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, beforeEach, describe, it } from 'node:test'
import { Agent, request } from 'undici'
import { digestOf } from '../../src/oci/digest.ts'
import { askMirror } from '../support/ask-mirror.ts'
import { eventually } from '../support/eventually.ts'
import { MemoryContent } from '../support/memory-content.ts'
import type { OpenMirror } from '../support/open-mirror.ts'
import { openMirror } from '../support/open-mirror.ts'
import { RawConnection } from '../support/raw-http.ts'

const content = new MemoryContent()
const agent = new Agent()
let open: OpenMirror

function pattern(bytes: number, seed: number): Buffer {
  const buffer = Buffer.alloc(bytes)
  for (let i = 0; i < bytes; i++) buffer[i] = (i * 31 + seed + (i >> 8)) & 0xff
  return buffer
}

const SMALL = pattern(2048, 1)
const { digest: small, blob: smallBlob } = content.putBlob('local', 'app', SMALL)

const ask = (path: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET') =>
  askMirror(open, path, { method, headers })

before(async () => {
  open = await openMirror(content)
})

after(async () => {
  await agent.close()
  await open[Symbol.asyncDispose]()
})

describe('blobs', () => {
  const path = `/v2/app/blobs/${small}`
  beforeEach(() => eventually('all readers are disposed', () => smallBlob.openReaders === 0))

  it('go out whole as 200 octets with exact headers', async () => {
    const reply = await ask(path, { 'accept-encoding': 'gzip, zstd' })
    assert.equal(reply.status, 200)
    assert.deepEqual(reply.body, SMALL)
    assert.equal(reply.headers['content-type'], 'application/octet-stream')
    assert.equal(reply.headers['content-length'], '2048')
    assert.equal(reply.headers['accept-ranges'], 'bytes')
    assert.equal(reply.headers['docker-content-digest'], small)
    assert.equal(reply.headers.etag, `"${small}"`)
    assert.equal(reply.headers['x-shoal-source'], 'peer')
    assert.equal(reply.headers['content-encoding'], undefined)
    assert.equal(reply.headers['transfer-encoding'], undefined)
    assert.equal(reply.headers['content-range'], undefined)
  })

  it('HEAD has the headers of GET, moves nothing and ignores Range', async () => {
    const get = await ask(path)
    const reads = smallBlob.reads
    for (const headers of [{}, { range: 'bytes=0-9' }]) {
      const head = await ask(path, headers, 'HEAD')
      assert.equal(head.status, 200)
      assert.equal(head.body.length, 0)
      for (const name of ['content-type', 'content-length', 'accept-ranges', 'docker-content-digest', 'etag']) {
        assert.equal(head.headers[name], get.headers[name])
      }
    }
    assert.equal(smallBlob.reads, reads)
  })

  const parts: [range: string, start: number, end: number][] = [
    ['bytes=500-1499', 500, 1500],
    ['bytes=500-', 500, 2048],
    ['bytes=-500', 1548, 2048],
    ['bytes=2000-5000', 2000, 2048],
    ['bytes=0-', 0, 2048],
    ['bytes=0-0', 0, 1],
  ]
  for (const [range, start, end] of parts) {
    it(`${range} is 206 with its exact part`, async () => {
      const reply = await ask(path, { range })
      assert.equal(reply.status, 206)
      assert.equal(reply.headers['content-range'], `bytes ${start}-${end - 1}/2048`)
      assert.equal(reply.headers['content-length'], String(end - start))
      assert.deepEqual(reply.body, SMALL.subarray(start, end))
    })
  }

  for (const range of ['bytes=500-0', 'bytes=5000-10000', 'bytes=2048-', 'bytes=-0']) {
    it(`${range} is 416 with the size`, async () => {
      const reply = await ask(path, { range })
      assert.equal(reply.status, 416)
      assert.equal(reply.headers['content-range'], 'bytes */2048')
      assert.equal(JSON.parse(reply.body.toString()).errors.length, 1)
    })
  }

  for (const range of ['bytes=0-9,29-20', 'lines=1-2', 'bytes=x-y', 'nonsense']) {
    it(`"${range}" gives the whole as 200`, async () => {
      const reply = await ask(path, { range })
      assert.equal(reply.status, 200)
      assert.deepEqual(reply.body, SMALL)
    })
  }

  it('several ranges are one multipart answer, each part with its place, in the order asked for', async () => {
    const reply = await ask(path, { range: 'bytes=1024-1033,0-9,-1,5000-' })
    assert.equal(reply.status, 206)
    assert.equal(reply.headers['content-range'], undefined)
    assert.equal(reply.headers['content-length'], String(reply.body.length))
    const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{48})$/.exec(String(reply.headers['content-type']))?.[1]
    const part = (start: number, end: number): Buffer =>
      Buffer.concat([
        Buffer.from(`\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\n`),
        Buffer.from(`Content-Range: bytes ${start}-${end - 1}/2048\r\n\r\n`),
        SMALL.subarray(start, end),
      ])
    const expected = [part(1024, 1034), part(0, 10), part(2047, 2048), Buffer.from(`\r\n--${boundary}--\r\n`)]
    assert.deepEqual(reply.body, Buffer.concat(expected))
    const once = await ask(path, { range: 'bytes=0-9,5-29,5000-' })
    assert.equal(once.headers['content-range'], 'bytes 0-29/2048')
    assert.deepEqual(once.body, SMALL.subarray(0, 30))
    assert.equal((await ask(path, { range: 'bytes=2048-,5000-' })).status, 416)
    assert.equal((await ask(path, { range: 'bytes=0-1,4-5', 'if-range': '"other"' })).status, 200)
  })

  it('If-Range keeps the range for this digest and drops it for any other validator', async () => {
    const range = 'bytes=10-19'
    assert.equal((await ask(path, { range, 'if-range': `"${small}"` })).status, 206)
    for (const other of ['"other"', `W/"${small}"`, 'Wed, 21 Oct 2015 07:28:00 GMT']) {
      assert.equal((await ask(path, { range, 'if-range': other })).status, 200)
    }
  })

  it('If-Match is 412 for another blob, without moving this one, and changes nothing for this one', async () => {
    assert.equal((await ask(path, { range: 'bytes=10-19', 'if-match': `"${small}"` })).status, 206)
    const reads = smallBlob.reads
    for (const method of ['GET', 'HEAD'] as const) {
      const reply = await ask(path, { 'if-match': '"other"' }, method)
      assert.equal(reply.status, 412)
      assert.equal(reply.body.length, 0)
    }
    assert.equal(smallBlob.reads, reads)
  })

  it('If-None-Match is 304 without moving the blob', async () => {
    const reads = smallBlob.reads
    for (const method of ['GET', 'HEAD'] as const) {
      const reply = await ask(path, { 'if-none-match': `"${small}"` }, method)
      assert.equal(reply.status, 304)
      assert.equal(reply.body.length, 0)
    }
    assert.equal(smallBlob.reads, reads)
  })

  it('of zero bytes are 200 with length 0, for any range', async () => {
    const { digest } = content.putBlob('local', 'app', new Uint8Array(0))
    const whole = await ask(`/v2/app/blobs/${digest}`)
    assert.equal(whole.status, 200)
    assert.equal(whole.headers['content-length'], '0')
    for (const range of ['bytes=0-', 'bytes=0-0', 'bytes=-1']) {
      const reply = await ask(`/v2/app/blobs/${digest}`, { range })
      assert.equal(reply.status, 200)
      assert.equal(reply.headers['content-length'], '0')
    }
  })

  it('nobody has are 404 BLOB_UNKNOWN, also for manifests asked for as blobs', async () => {
    const manifest = content.putManifest('local', 'app', Buffer.from('{}'), { mediaType: 'application/json' })
    for (const digest of [digestOf(Buffer.from('none')), manifest]) {
      const reply = await ask(`/v2/app/blobs/${digest}`)
      assert.equal(reply.status, 404)
      assert.equal(JSON.parse(reply.body.toString()).errors[0].code, 'BLOB_UNKNOWN')
    }
  })

  it('whose beginning turned out wrong are 404 to whoever would continue, and whole to others', async () => {
    smallBlob.resumable = false
    try {
      const resumed = await ask(path, { range: 'bytes=100-' })
      assert.equal(resumed.status, 404)
      assert.equal(JSON.parse(resumed.body.toString()).errors[0].code, 'BLOB_UNKNOWN')
      assert.equal((await ask(path, { range: 'bytes=0-' })).status, 206)
      assert.equal((await ask(path)).status, 200)
    } finally {
      smallBlob.resumable = true
    }
  })

  it('of many chunks arrive intact at many readers, though each chunk is overwritten after use', async () => {
    const bytes = pattern(9_000_001, 7)
    const { digest, blob } = content.putBlob('local', 'app', bytes)
    blob.chunkBytes = 1024 * 1024
    const replies = await Promise.all([1, 2, 3, 4].map(() => ask(`/v2/app/blobs/${digest}`)))
    for (const reply of replies) assert.equal(digestOf(reply.body), digest)
    await eventually('all readers are disposed', () => blob.openReaders === 0)
    assert.equal(blob.endedEarly, 0)
  })
})

describe('a blob that is still arriving', () => {
  it('has its headers sent before its first byte is there, and streams as bytes come', async () => {
    const bytes = pattern(300_000, 3)
    const { digest, blob } = content.putBlob('local', 'live', bytes)
    blob.holdAt(0)
    using connection = await RawConnection.open(open.port)
    connection.send(`GET /v2/live/blobs/${digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    assert.match(await connection.head(), /^HTTP\/1\.1 200 /)
    assert.equal(connection.body.length, 0)
    blob.arrive(100_000)
    await connection.until(() => connection.body.length === 100_000)
    blob.arrive(300_000)
    await connection.until(() => connection.body.length === 300_000)
    assert.deepEqual(connection.body, bytes)
  })

  it('ends with FIN in mid-body when the rest will not come: nothing appended, no reset', async () => {
    const bytes = pattern(300_000, 4)
    const { digest, blob } = content.putBlob('local', 'live', bytes)
    blob.holdAt(200_000)
    using connection = await RawConnection.open(open.port)
    connection.send(`GET /v2/live/blobs/${digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    await connection.until(() => connection.body.length === 200_000)
    blob.fail()
    assert.equal(await connection.ended, 'fin')
    assert.deepEqual(connection.body, bytes.subarray(0, 200_000))
    await eventually('the reader is disposed', () => blob.openReaders === 0)
    await eventually('the cut is counted', () =>
      open.counts.has('shoal_mirror_requests_total{route="blobs",method="GET",status="cut"}'),
    )
  })

  it('ends with FIN also when it fails before its first byte', async () => {
    const { digest, blob } = content.putBlob('local', 'live', pattern(1000, 5))
    blob.holdAt(0)
    using connection = await RawConnection.open(open.port)
    connection.send(`GET /v2/live/blobs/${digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    await connection.head()
    blob.fail()
    assert.equal(await connection.ended, 'fin')
    assert.equal(connection.body.length, 0)
  })

  for (const [what, announced] of [
    ['longer', 999],
    ['shorter', 1001],
  ] as const) {
    it(`that turns out ${what} than announced never looks whole`, async () => {
      const { digest, blob } = content.putBlob('local', `size-${announced}`, pattern(1000, announced))
      blob.announcedSize = announced
      if (what === 'longer') blob.open = longReader(blob)
      using connection = await RawConnection.open(open.port)
      connection.send(`GET /v2/size-${announced}/blobs/${digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      assert.equal(await connection.ended, 'fin')
      assert.ok(connection.body.length < announced)
    })
  }

  it('is let go when its client leaves before the headers, in mid-body, or while it waits', async () => {
    const { digest, blob } = content.putBlob('local', 'left', pattern(20_000_000, 6))
    const ask = `GET /v2/left/blobs/${digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`
    const left = (): number =>
      open.counts.get('shoal_mirror_requests_total{route="blobs",method="GET",status="left"}') ?? 0
    const before = left()

    blob.holdAt(1000)
    const waiting = await RawConnection.open(open.port)
    waiting.send(ask)
    await waiting.until(() => waiting.body.length === 1000)
    waiting.socket.resetAndDestroy()
    await eventually('the reader is disposed', () => blob.openReaders === 0)

    blob.arrive(20_000_000)
    const slow = await RawConnection.open(open.port)
    slow.socket.pause()
    slow.send(ask)
    await eventually('a reader is open', () => blob.openReaders === 1)
    slow.socket.destroy()
    await eventually('the reader is disposed', () => blob.openReaders === 0)
    await eventually('both are counted as having left', () => left() === before + 2)

    const resume = content.stall('local')
    const early = await RawConnection.open(open.port)
    const asked = content.asked.length
    early.send(ask)
    await eventually('it is asked for', () => content.asked.length > asked)
    early.socket.destroy()
    await eventually('the client is seen to be gone', () =>
      open.counts.has('shoal_mirror_requests_total{route="other",method="GET",status="gone"}'),
    )
    const opened = once(blob.changed, 'disposed')
    resume()
    await opened
    assert.equal(blob.openReaders, 0)
  })

  it('is read no faster than its client reads', async () => {
    const bytes = pattern(64 * 1024 * 1024, 8)
    const { digest, blob } = content.putBlob('local', 'slow', bytes)
    let handedOut = 0
    const openReader = blob.open.bind(blob)
    blob.open = () => {
      const reader = openReader()
      const read = reader.read.bind(reader)
      return Object.assign(reader, {
        async *read(...from: Parameters<typeof read>) {
          for await (const chunk of read(...from)) {
            handedOut += chunk.byteLength
            yield chunk
          }
        },
      })
    }
    using stuck = await RawConnection.open(open.port)
    stuck.socket.pause()
    stuck.send(`GET /v2/slow/blobs/${digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    await eventually('it starts', () => handedOut > 0)
    // Another client pulls the whole blob meanwhile: the stuck one holds back only itself.
    const other = await ask(`/v2/slow/blobs/${digest}`)
    assert.equal(other.body.length, bytes.length)
    assert.ok(handedOut < 2 * bytes.length - 16 * 1024 * 1024, `${handedOut} bytes were read`)
  })

  it('is pulled in parallel open-ended ranges whose clients leave early', async () => {
    const bytes = pattern(4_000_000, 9)
    const { digest, blob } = content.putBlob('local', 'chunks', bytes)
    const starts = [0, 1_000_000, 2_000_000, 3_000_000]
    const pieces = await Promise.all(
      starts.map(async (start) => {
        using connection = await RawConnection.open(open.port)
        connection.send(`GET /v2/chunks/blobs/${digest} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=${start}-\r\n\r\n`)
        assert.match(await connection.head(), /^HTTP\/1\.1 206 /)
        await connection.until(() => connection.body.length >= 1_000_000)
        return connection.body.subarray(0, 1_000_000)
      }),
    )
    assert.equal(digestOf(Buffer.concat(pieces)), digest)
    await eventually('all readers are disposed', () => blob.openReaders === 0)
  })
})

describe('metrics of blobs', () => {
  it('count bytes sent and the time to the first', async () => {
    const [sent, first] = [open.sent.bytes, open.counts.get('shoal_mirror_first_byte_seconds{}') ?? 0]
    await ask(`/v2/app/blobs/${small}`)
    await eventually('the bytes are counted', () => open.sent.bytes === sent + 2048)
    assert.equal(open.counts.get('shoal_mirror_first_byte_seconds{}'), first + 1)
  })
  it('tell whole answers from cut ones and from clients that left', async () => {
    await using quiet = await openMirror(content)
    for (const headers of [{}, { range: 'bytes=0-' }, { range: 'bytes=9999-' }]) {
      const reply = await request(`${quiet.url}/v2/app/blobs/${small}`, { headers, dispatcher: agent })
      await reply.body.dump()
    }
    await quiet.server.drain()
    const statuses = [...quiet.counts.keys()].filter((key) => key.startsWith('shoal_mirror_requests_total'))
    assert.deepEqual(statuses, [
      'shoal_mirror_requests_total{route="blobs",method="GET",status="200"}',
      'shoal_mirror_requests_total{route="blobs",method="GET",status="206"}',
      'shoal_mirror_requests_total{route="blobs",method="GET",status="416"}',
    ])
  })
})

/** A reader that yields a byte more than it announced. */
function longReader(blob: { bytes: Uint8Array; announcedSize: number; source: 'peer' | string }) {
  return () => ({
    size: blob.announcedSize,
    source: 'peer' as const,
    async *read() {
      yield blob.bytes
    },
    resumable: () => true,
    async [Symbol.asyncDispose]() {},
  })
}
