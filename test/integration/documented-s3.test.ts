import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { z } from 'zod'
import { openOrigin } from '../../src/origin/index.ts'
import { docsBlock } from '../support/docs-block.ts'
import { deps, expectSampleBytes, never, sampleRepository } from '../unit/origin/fixtures.ts'

const BUCKET = 'images'

const policySchema = z.object({
  Statement: z.array(z.object({ Effect: z.literal('Allow'), Action: z.string(), Resource: z.string() })),
})
type Policy = z.infer<typeof policySchema>

/** The policy that the guide shows. */
const POLICY = policySchema.parse(JSON.parse(docsBlock('docs/s3.md', 'policy')))

/** What a request does, and to what, in the words of policies. */
function permissionOf({ method, url }: IncomingMessage): { readonly action: string; readonly resource: string } {
  const { pathname, searchParams } = new URL(url ?? '', 'http://bucket')
  const [, bucket, ...key] = decodeURIComponent(pathname).split('/')
  const isList = searchParams.get('list-type') === '2'
  if (isList) return { action: 's3:ListBucket', resource: `arn:aws:s3:::${bucket}` }
  const action = method === 'GET' || method === 'HEAD' ? 's3:GetObject' : `s3:${method}Object`
  return { action, resource: `arn:aws:s3:::${bucket}/${key.join('/')}` }
}

function allows({ Statement }: Policy, { action, resource }: ReturnType<typeof permissionOf>): boolean {
  return Statement.some(
    ({ Action, Resource }) =>
      Action === action &&
      (Resource === resource || (Resource.endsWith('*') && resource.startsWith(Resource.slice(0, -1)))),
  )
}

/** A bucket that gives what the policy allows; the actions it was asked for. */
async function guardedBucket(t: TestContext, policy: Policy) {
  const sample = sampleRepository()
  const asked = new Set<string>()
  const server = createServer((request, response) => {
    const permission = permissionOf(request)
    asked.add(permission.action)
    if (allows(policy, permission)) answer(sample.files, request, response)
    else response.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = openOrigin(
    {
      kind: 's3',
      bucket: BUCKET,
      prefix: '',
      region: 'us-east-1',
      forcePathStyle: true,
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      credentials: { accessKeyId: 'one', secretAccessKey: 'two' },
    },
    deps,
  )
  t.after(async () => {
    await origin[Symbol.asyncDispose]()
    server.closeAllConnections()
    server.close()
  })
  return { origin, asked, sample, query: { repository: sample.repository, signal: never } }
}

/** As S3 does: objects, whole and by range, and lists with their folders rolled up. */
function answer(
  files: ReadonlyMap<string, Uint8Array>,
  { url, method, headers }: IncomingMessage,
  response: ServerResponse,
): void {
  const { pathname, searchParams } = new URL(url ?? '', 'http://bucket')
  if (searchParams.get('list-type') === '2') {
    const prefix = searchParams.get('prefix') ?? ''
    const below = [...files.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length))
    const folders = new Set(below.filter((key) => key.includes('/')).map((key) => key.slice(0, key.indexOf('/') + 1)))
    const rolled = [...folders].map((f) => `<CommonPrefixes><Prefix>${prefix}${f}</Prefix></CommonPrefixes>`).join('')
    return void response.end(`<ListBucketResult><IsTruncated>false</IsTruncated>${rolled}</ListBucketResult>`)
  }
  const bytes = files.get(decodeURIComponent(pathname).slice(`/${BUCKET}/`.length))
  if (bytes === undefined) return void response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>')
  const [, from = '0', to = String(bytes.length - 1)] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
  const part = bytes.subarray(Number(from), Number(to) + 1)
  const range = { 'Content-Range': `bytes ${from}-${to}/${bytes.length}` }
  const length = { 'Content-Length': part.length, ETag: '"one"' }
  response.writeHead(
    headers.range === undefined ? 200 : 206,
    headers.range === undefined ? length : { ...length, ...range },
  )
  response.end(method === 'HEAD' ? undefined : part)
}

test('the policy of the guide to buckets allows all that an origin asks, and nothing that it does not', async (t) => {
  const { origin, asked, sample, query } = await guardedBucket(t, POLICY)
  const found = await origin.resolveTag({ ...query, tag: 'v1' })
  assert.equal(found.kind, 'found')
  assert.deepEqual(await origin.resolveTag({ ...query, tag: 'v9' }), { kind: 'unknown' })
  const manifest = await origin.manifest({ ...query, digest: sample.manifestDigest })
  assert.deepEqual(Buffer.from(manifest?.bytes ?? []), sample.manifest)
  await expectSampleBytes(origin, sample)
  assert.deepEqual((await origin.listTags({ ...query, limit: 10 }))?.tags, ['v1'])
  assert.deepEqual([...asked].sort(), POLICY.Statement.map(({ Action }) => Action).sort())
})

test('without leave to list, pulls go on', async (t) => {
  const Statement = POLICY.Statement.filter(({ Action }) => Action === 's3:GetObject')
  const { origin, sample, query } = await guardedBucket(t, { Statement })
  assert.equal((await origin.resolveTag({ ...query, tag: 'v1' })).kind, 'found')
  assert.deepEqual(await origin.resolveTag({ ...query, tag: 'v9' }), { kind: 'unknown' })
  await expectSampleBytes(origin, sample)
})
