import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { ErrorCode } from '../../../src/base/errors.ts'
import { isShoalError } from '../../../src/base/errors.ts'
import type { OriginDeps, OriginOptions, S3OriginSettings } from '../../../src/origin/index.ts'
import { openOrigin } from '../../../src/origin/index.ts'
import type { Warning } from './fixtures.ts'
import {
  beginRead,
  deps,
  never,
  readAll,
  sampleRepository,
  serveBytes,
  startServer,
  tagPath,
  tempDir,
  warningLogger,
} from './fixtures.ts'

const sample = sampleRepository()
const query = { repository: sample.repository, signal: never }
const size = sample.blob.length
const read = { ...query, digest: sample.blobDigest, size, range: { start: 1000, end: 5000 } }
const expected = sample.blob.subarray(1000, 5000)

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** A store with the sample's objects, in which `fault` answers for blob data. */
async function openFaulty(
  t: TestContext,
  fault: Handler,
  {
    options = {},
    extra = deps,
    settings = {},
  }: { options?: Partial<OriginOptions>; extra?: OriginDeps; settings?: Partial<S3OriginSettings> } = {},
) {
  const server = await startServer(t, (request, response) => {
    const key = (request.url ?? '').split('?', 1)[0]?.replace('/images/', '') ?? ''
    const bytes = sample.files.get(key)
    if (bytes === undefined || key.endsWith('/data')) fault(request, response)
    else serveBytes(request, response, bytes)
  })
  const origin = openOrigin(
    {
      kind: 's3',
      bucket: 'images',
      prefix: '',
      region: 'us-east-1',
      endpoint: server.url,
      forcePathStyle: true,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      ...settings,
    },
    extra,
    options,
  )
  t.after(() => origin[Symbol.asyncDispose]())
  return { origin, server }
}

function s3Error(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' })
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`)
}

test('200 instead of 206: the prefix is thrown away, the right bytes come', async (t) => {
  const { origin } = await openFaulty(t, (_request, response) => {
    response.writeHead(200, { 'content-length': size }).end(sample.blob)
  })
  assert.ok((await readAll(await origin.readBlob(read))).equals(expected))
})

test('200 instead of 206 is refused when too much would have to be thrown away', async (t) => {
  const fault: Handler = (_request, response) => {
    response.writeHead(200, { 'content-length': size }).end(sample.blob)
  }
  const { origin } = await openFaulty(t, fault, { options: { maxSkipBytes: 999 } })
  await assert.rejects(origin.readBlob(read), (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'))
})

test('short body: a connection cut in the middle is an error', async (t) => {
  const { origin } = await openFaulty(t, (_request, response) => {
    response.writeHead(206, { 'content-length': 4000, 'content-range': `bytes 1000-4999/${size}` })
    response.write(expected.subarray(0, 100), () => response.destroy())
  })
  await assert.rejects(readAll(await origin.readBlob(read)), (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'))
})

test('stalled body: given up after the stall time', async (t) => {
  const fault: Handler = (_request, response) => {
    response.writeHead(206, { 'content-length': 4000, 'content-range': `bytes 1000-4999/${size}` })
    response.write(expected.subarray(0, 100))
  }
  const { origin } = await openFaulty(t, fault, { options: { stallMs: 50 } })
  await assert.rejects(readAll(await origin.readBlob(read)), (error) => {
    return isShoalError(error, 'ORIGIN_UNREACHABLE') && /nothing for 50 ms/.test(error.message)
  })
})

test('wrong size in Content-Range is a change', async (t) => {
  const { origin } = await openFaulty(t, (_request, response) => {
    response.writeHead(206, { 'content-length': 4000, 'content-range': `bytes 1000-4999/${size + 1}` }).end(expected)
  })
  await assert.rejects(origin.readBlob(read), (error) => isShoalError(error, 'ORIGIN_CHANGED'))
})

test('throttled: SlowDown becomes a throttle after the limited retries', async (t) => {
  const { origin, server } = await openFaulty(t, (_request, response) => s3Error(response, 503, 'SlowDown'))
  await assert.rejects(origin.readBlob(read), (error) => isShoalError(error, 'ORIGIN_THROTTLED'))
  assert.equal(server.paths().filter((path) => path.includes('/data')).length, 3)
})

test('leaving a read early closes its connection', async (t) => {
  const { promise: gone, resolve } = Promise.withResolvers<void>()
  const { origin } = await openFaulty(t, (_request, response) =>
    beginRead(response, sample.blob).once('close', resolve),
  )
  for await (const _chunk of (await origin.readBlob(read)) ?? []) break
  await gone
})

test('aborting a read closes its connection and ends it with the reason', async (t) => {
  const { promise: gone, resolve } = Promise.withResolvers<void>()
  const { origin } = await openFaulty(t, (_request, response) =>
    beginRead(response, sample.blob).once('close', resolve),
  )
  const controller = new AbortController()
  const reason = new Error('enough')
  const chunks = await origin.readBlob({ ...read, signal: controller.signal })
  controller.abort(reason)
  await assert.rejects(readAll(chunks), reason)
  await gone
})

test('403 for a missing key, when the bucket may not be listed: unknown, with one warning that says the remedy', async (t) => {
  const warnings: Warning[] = []
  const extra = { ...deps, logger: warningLogger(warnings) }
  const { origin } = await openFaulty(t, (_request, response) => s3Error(response, 403, 'AccessDenied'), { extra })
  assert.deepEqual(await origin.resolveTag({ ...query, tag: 'v9' }), { kind: 'unknown' })
  assert.equal(await origin.statBlob({ ...query, digest: sample.blobDigest }), undefined)
  assert.equal(warnings.length, 1)
  assert.match(warnings[0]?.message ?? '', /s3:ListBucket/)
})

test('403 for an object, when the bucket may be listed, is a denial', async (t) => {
  const { origin } = await openFaulty(t, (request, response) => {
    if (!request.url?.includes('list-type=2')) return s3Error(response, 403, 'AccessDenied')
    response.end('<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>')
  })
  await assert.rejects(origin.resolveTag({ ...query, tag: 'v9' }), (error) => isShoalError(error, 'ORIGIN_DENIED'))
})

/** Lists keys the way S3 does: by key, folders rolled up, `pageSize` entries a page. */
function listLikeS3(keys: readonly string[], pageSize: number): Handler {
  return (request, response) => {
    const search = new URL(request.url ?? '', 'http://x').searchParams
    const prefix = search.get('prefix') ?? ''
    const after = search.get('continuation-token') ?? search.get('start-after') ?? ''
    const entries = new Set<string>()
    for (const key of [...keys].sort()) {
      if (!key.startsWith(prefix)) continue
      const slash = search.has('delimiter') ? key.indexOf('/', prefix.length) : -1
      const entry = slash < 0 ? key : key.slice(0, slash + 1)
      // A continuation token names the last entry given; start-after is compared with the keys themselves.
      if ((search.has('continuation-token') ? entry : key) > after) entries.add(entry)
    }
    const page = [...entries].slice(0, pageSize)
    const more = entries.size > page.length
    const body = page.map((entry) =>
      entry.endsWith('/')
        ? `<CommonPrefixes><Prefix>${entry}</Prefix></CommonPrefixes>`
        : `<Contents><Key>${entry}</Key><Size>1</Size></Contents>`,
    )
    const token = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''
    response.end(`<ListBucketResult><IsTruncated>${more}</IsTruncated>${token}${body.join('')}</ListBucketResult>`)
  }
}

test('tags come in lexical order and complete, although S3 sorts v1-a before v1', async (t) => {
  const tags = ['1', '1.0', '1.0-a', '1.0-b', '1.0-c', '1-x', '2', 'latest', 'v1', 'v1.2', 'v1-rc1', 'v1-rc2']
  const sorted = [...tags].sort()
  const keys = tags.map((tag) => tagPath('tags', tag))
  const { origin } = await openFaulty(t, listLikeS3(keys, 2))
  const list = (limit?: number, after?: string) => origin.listTags({ repository: 'tags', signal: never, limit, after })
  assert.deepEqual(await list(), { tags: sorted, more: false })
  for (let limit = 1; limit <= tags.length; limit++) {
    const seen: string[] = []
    for (;;) {
      const page = await list(limit, seen.at(-1))
      assert.ok(page && page.tags.length <= limit)
      seen.push(...page.tags)
      if (!page.more) break
    }
    assert.deepEqual(seen, sorted, `pages of ${limit}`)
  }
  assert.deepEqual(await list(5, 'v9'), { tags: [], more: false })
  assert.deepEqual(await list(0), { tags: [], more: false })
  assert.equal(await origin.listTags({ repository: 'none', signal: never }), undefined)
})

/** What stores say, whatever status they say it with, and what is told of it: the cause and what to do. */
const said: readonly [statuses: readonly number[], name: string, code: ErrorCode, tells: RegExp][] = [
  [[403, 404, 400], 'InvalidAccessKeyId', 'ORIGIN_DENIED', /does not know this access key; check the credentials/],
  [[403], 'SignatureDoesNotMatch', 'ORIGIN_DENIED', /secret key does not fit.*check the credentials/],
  [[403, 400], 'RequestTimeTooSkewed', 'ORIGIN_DENIED', /clock is wrong; set the time/],
  [[400, 403], 'ExpiredToken', 'ORIGIN_DENIED', /token has expired; renew the credentials/],
  [[400, 403], 'InvalidToken', 'ORIGIN_DENIED', /token is not valid; check the credentials/],
  [[403], 'AccountProblem', 'ORIGIN_DENIED', /owner has to act/],
  [[403], 'AllAccessDisabled', 'ORIGIN_DENIED', /owner has shut it/],
  [[404], 'NoSuchBucket', 'ORIGIN_UNREACHABLE', /no such bucket; check its name and endpoint/],
  [[404], 'NoSuchAccessPoint', 'ORIGIN_UNREACHABLE', /no such access point; check its ARN/],
  [[400], 'InvalidBucketName', 'ORIGIN_UNREACHABLE', /check bucket, and forcePathStyle/],
  [[301], 'PermanentRedirect', 'ORIGIN_UNREACHABLE', /another region; set region/],
  [[400], 'AuthorizationHeaderMalformed', 'ORIGIN_UNREACHABLE', /another region; set region/],
  [[403], 'InvalidObjectState', 'ORIGIN_UNREACHABLE', /archived; restore it first/],
  [[503], 'SlowDown', 'ORIGIN_THROTTLED', /asks for less/],
  [[503], 'ServiceUnavailable', 'ORIGIN_THROTTLED', /asks for less/],
  [[429], 'TooManyRequests', 'ORIGIN_THROTTLED', /asks for less/],
  [[503], 'XMinioServerNotInitialized', 'ORIGIN_THROTTLED', /asks for less/],
  [[500], 'InternalError', 'ORIGIN_UNREACHABLE', /answers 500 InternalError/],
  [[501], 'NotImplemented', 'ORIGIN_UNREACHABLE', /answers 501 NotImplemented/],
  [[400], 'object stored using server side encryption', 'ORIGIN_DENIED', /set customerKeyFile/],
]
for (const [statuses, name, code, tells] of said) {
  for (const status of statuses) {
    test(`${name} with ${status} is ${code}, and says what to do`, async (t) => {
      const { origin } = await openFaulty(t, (_request, response) => s3Error(response, status, name))
      const asks = [
        () => origin.resolveTag({ ...query, tag: 'v9' }),
        () => origin.listTags(query),
        () => origin.readBlob(read),
      ]
      // the SDK waits between its tries when it is asked for less
      for (const ask of code === 'ORIGIN_THROTTLED' ? asks.slice(0, 1) : asks) {
        await assert.rejects(ask(), (error) => {
          assert.ok(isShoalError(error, code), String(error))
          assert.match(error.message, tells)
          assert.match(error.message, /^s3 images/)
          return true
        })
      }
    })
  }
}

test('requests say who pays, and bring the key that the objects are encrypted with', async (t) => {
  const customerKeyFile = join(await tempDir(t), 'customer.key')
  await writeFile(customerKeyFile, `${Buffer.alloc(32, 7).toString('base64')}\n`)
  const serve: Handler = (request, response) => serveBytes(request, response, sample.blob)
  const { origin, server } = await openFaulty(t, serve, { settings: { requesterPays: true, customerKeyFile } })
  await readAll(await origin.readBlob(read))
  const { headers } = server.requests.find(({ url }) => url?.includes('/data')) ?? assert.fail('no read')
  assert.equal(headers['x-amz-request-payer'], 'requester')
  assert.equal(headers['x-amz-server-side-encryption-customer-algorithm'], 'AES256')
  assert.equal(headers['x-amz-server-side-encryption-customer-key'], Buffer.alloc(32, 7).toString('base64'))
})

test('a bucket with nothing below the prefix is a mistake that is told, where it may be listed', async (t) => {
  const settings = { prefix: 'elsewhere' }
  const empty = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'
  const { origin } = await openFaulty(
    t,
    (request, response) => {
      if (request.url?.includes('list-type=2') === true) response.end(empty)
      else s3Error(response, 404, 'NoSuchKey')
    },
    { settings },
  )
  for (const ask of [() => origin.resolveTag({ ...query, tag: 'v1' }), () => origin.listTags(query)]) {
    await assert.rejects(ask(), (error) => {
      return (
        isShoalError(error, 'CONFIG_INVALID') && /nothing below elsewhere\/docker.*check prefix/.test(error.message)
      )
    })
  }
  const closed = await openFaulty(t, (request, response) => {
    if (request.url?.includes('list-type=2') === true) s3Error(response, 403, 'AccessDenied')
    else s3Error(response, 404, 'NoSuchKey')
  })
  assert.deepEqual(await closed.origin.resolveTag({ ...query, tag: 'v9' }), { kind: 'unknown' })
})
