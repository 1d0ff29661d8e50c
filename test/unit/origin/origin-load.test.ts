import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import type { OriginChain } from '../../../src/origin/index.ts'
import { openOriginChain } from '../../../src/origin/index.ts'
import { eventually } from '../../support/eventually.ts'
import { deps, never, REGISTRY_HEADERS, readAll, sampleRepository, serveBytes, startServer } from './fixtures.ts'

const sample = sampleRepository()
const { repository, blob, blobDigest, manifest, manifestDigest } = sample
const query = { repository, signal: never }
const whole = { ...query, digest: blobDigest, size: blob.length, range: { start: 0, end: blob.length } }

type Answer = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

const serve: Answer = (request, response) => {
  const isManifest = request.url?.includes('/manifests/')
  if (!isManifest) return serveBytes(request, response, blob)
  response.writeHead(200, { 'docker-content-digest': manifestDigest }).end(manifest)
}

const refuse = (code: number, headers: Record<string, string> = {}): Answer => {
  return (_, response) => void response.writeHead(code, { ...REGISTRY_HEADERS, ...headers }).end()
}

async function chainOf(
  t: TestContext,
  answers: readonly Answer[],
  now?: () => number,
): Promise<[OriginChain, string[]]> {
  const asked: string[] = []
  const servers = await Promise.all(
    answers.map((answer, i) =>
      startServer(t, (request, response) => {
        asked.push(`${i} ${request.method}`)
        return answer(request, response)
      }),
    ),
  )
  const origins = servers.map(({ url }) => ({ kind: 'registry', url }) as const)
  const clock = { ...systemClock, now: now ?? systemClock.now }
  const chain = openOriginChain({ name: 'up', access: 'public', origins }, { ...deps, clock })
  t.after(() => chain[Symbol.asyncDispose]())
  return [chain, asked]
}

describe('an origin that has too much to do', () => {
  it('is left alone for as long as it asks, a minute at most, for what it has refused', async (t) => {
    let now = 0
    const isNamed = ({ url }: IncomingMessage): boolean => url?.includes('/manifests/') === true
    const limited: Answer = (request, response) =>
      isNamed(request) ? refuse(429, { 'retry-after': '3600' })(request, response) : serve(request, response)
    const [chain, asked] = await chainOf(t, [limited], () => now)
    for (let i = 0; i < 20; i++) await assert.rejects(chain.resolveTag({ ...query, tag: `t${i}` }), /left|less/)
    assert.equal(asked.length, 1)
    assert.ok((await readAll(await chain.readBlob(whole))).equals(blob), 'blobs are not limited')
    now += 60_000
    await assert.rejects(chain.resolveTag({ ...query, tag: 'v1' }))
    assert.equal(asked.length, 3)
  })

  it('is asked again twice when it says so without a time: most of its answers are good', async (t) => {
    const bad = [503, 429]
    const [chain, asked] = await chainOf(t, [
      (request, response) => {
        const code = bad.shift()
        return code === undefined ? serve(request, response) : refuse(code)(request, response)
      },
    ])
    assert.ok(await chain.manifest({ ...query, digest: manifestDigest }))
    assert.equal(asked.length, 3)
  })

  for (const code of [404, 401, 403, 500]) {
    it(`is asked once when it answers ${code}`, async (t) => {
      const [chain, asked] = await chainOf(t, [refuse(code)])
      await chain.manifest({ ...query, digest: manifestDigest }).catch(() => {})
      assert.equal(asked.length, 1)
    })
  }

  it('gets no more reads at a time than it has stood, and each has its turn', async (t) => {
    let active = 0
    let refusals = 0
    const held: (() => void)[] = []
    const limited: Answer = async (request, response) => {
      if (active >= 2) {
        refusals++
        return refuse(429)(request, response)
      }
      active++
      response.once('close', () => active--)
      const { promise, resolve } = Promise.withResolvers<void>()
      held.push(resolve)
      await promise
      return serve(request, response)
    }
    // The clock stands still: an origin that has not refused any for a while is tried with one more.
    const [chain] = await chainOf(t, [limited], () => 0)
    const read = async (): Promise<boolean> => (await readAll(await chain.readBlob(whole))).equals(blob)
    const first = [read(), read()]
    await eventually('two are being read', () => held.length === 2)
    await assert.rejects(read())
    for (const serveIt of held.splice(0)) serveIt()
    assert.deepEqual(await Promise.all(first), [true, true])
    const rest = Array.from({ length: 6 }, read)
    for (let left = rest.length; left > 0; left--) {
      await eventually('as many as it stands are being read', () => held.length === Math.min(left, 2))
      held.shift()?.()
    }
    assert.deepEqual(await Promise.all(rest), Array(6).fill(true))
    assert.equal(refusals, 1)
  })

  it('gives its turn on when a read is abandoned before its first byte', async (t) => {
    const busy = [200, 429]
    const [chain] = await chainOf(t, [
      (request, response) => (busy.shift() === 429 ? refuse(429)(request, response) : serve(request, response)),
    ])
    const leaving = new AbortController()
    await chain.readBlob({ ...whole, signal: leaving.signal })
    await assert.rejects(chain.readBlob(whole))
    const next = chain.readBlob(whole)
    leaving.abort()
    assert.ok((await readAll(await next)).equals(blob))
  })
})

describe('an origin that hangs', () => {
  it('does not hide the next one, which is asked first from then on', async (t) => {
    const [chain, asked] = await chainOf(t, [() => {}, serve])
    assert.ok(await chain.manifest({ ...query, digest: manifestDigest }))
    assert.ok((await readAll(await chain.readBlob(whole))).equals(blob))
    assert.deepEqual(asked, ['0 GET', '1 GET', '1 GET'])
  })

  it('is waited for when the next one does not have it', async (t) => {
    const nextAnswered = Promise.withResolvers<void>()
    const [chain, asked] = await chainOf(t, [
      async (request, response) => {
        await nextAnswered.promise
        return serve(request, response)
      },
      (request, response) => {
        response.once('close', () => nextAnswered.resolve())
        return refuse(404)(request, response)
      },
    ])
    assert.ok(await chain.manifest({ ...query, digest: manifestDigest }))
    assert.deepEqual(asked, ['0 GET', '1 GET'])
  })
})
