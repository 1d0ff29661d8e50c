import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isShoalError, ShoalError } from '../../../src/base/errors.ts'
import {
  decodeMessage as decodeMessageOf,
  decodeRequest as decodeRequestOf,
  decodeResponse as decodeResponseOf,
  encodeMessage as encodeMessageOf,
  encodeRequest,
  encodeResponse,
} from '../../../src/orders/codec.ts'
import { signOrder } from '../../../src/orders/order-kind.ts'
import type { AnyRequest, NameOf, ResponseTo } from '../../../src/orders/words.ts'
import { createJob } from '../../../src/prewarm/job.ts'
import { JOB_ORDER } from '../../../src/prewarm/job-orders.ts'
import type { PrewarmMessage } from '../../../src/prewarm/messages.ts'
import type { PrewarmRequests } from '../../../src/prewarm/requests.ts'
import { HOSTS_PER_PAGE, PREWARM_WORDS } from '../../../src/prewarm/requests.ts'
import { FleetTrust, LOOPBACK_KEY } from '../../../src/trust/index.ts'
import { capacityOf, newJob, planOf, reportOf, specOf, tallyOf } from './fixtures.ts'

const ID = 'job-00001'
const { messages: MESSAGE_TABLE, requests: REQUEST_TABLE } = PREWARM_WORDS
const encodeMessage = (message: PrewarmMessage) => encodeMessageOf<typeof MESSAGE_TABLE>(message)
const decodeMessage = (bytes: Uint8Array) => decodeMessageOf(MESSAGE_TABLE, bytes)
const decodeRequest = (bytes: Uint8Array) => decodeRequestOf(REQUEST_TABLE, bytes)
function decodeResponse<N extends NameOf<PrewarmRequests>>(name: N, bytes: Uint8Array): ResponseTo<PrewarmRequests, N> {
  return decodeResponseOf(REQUEST_TABLE, name, bytes)
}

const capacities = [capacityOf('a', 3)]
const row = createJob(
  newJob({ id: ID, root: 'a', spec: specOf({ waves: ['1', '10%'] }), plan: planOf(), capacities }),
  1000,
)
const task = {
  job: ID,
  revision: 1,
  plan: planOf(),
  resolvedEpochMs: 5,
  rateBytesPerSec: 0,
  priority: 7,
  pinUntilEpochMs: null,
  load: null,
} as const

const MESSAGES: readonly PrewarmMessage[] = [
  { kind: 'host', facts: { name: 'web-1', labels: { disk: 'ssd' }, freeBytes: 12 } },
  { kind: 'task', task: { ...task, state: 'running' } },
  { kind: 'report', job: ID, report: reportOf({ blobs: Uint8Array.of(5), reason: 'x', state: 'failed' }) },
  { kind: 'checkIn', job: ID },
  { kind: 'standing', job: ID, runs: false },
  { kind: 'row', row: { ...row, plan: planOf() } },
  { kind: 'roster', job: ID, first: 0, hosts: [{ key: '12D3KooWabc', name: 'web-1' }] },
  { kind: 'tally', job: ID, region: 'a', tally: tallyOf(3, { ready: 1 }) },
  { kind: 'fetched', job: ID, originBytes: 5 },
]

describe('prewarm messages', () => {
  it('come as they were written', () => {
    for (const message of MESSAGES)
      assert.deepEqual(plain(decodeMessage(encodeMessage(message))), plain(message), message.kind)
  })

  it('that are none are nothing, and throw nothing', () => {
    const wrong = [
      ...['', '{', 'null', '[]', '{"kind":"party"}', '{"kind":"task"}'].map((text) => Buffer.from(text)),
      Buffer.from([0xff, 0xfe]),
      encodeMessage({ kind: 'fetched', job: '../../etc', originBytes: 1 }),
      encodeMessage({ kind: 'fetched', job: ID, originBytes: -1 }),
    ]
    for (const bytes of wrong) assert.equal(decodeMessage(bytes), undefined, Buffer.from(bytes).toString())
  })

  it('may say more than this version knows', () => {
    const bytes = Buffer.from(JSON.stringify({ kind: 'fetched', job: ID, originBytes: 5, mood: 'good' }))
    assert.deepEqual(decodeMessage(bytes), { kind: 'fetched', job: ID, originBytes: 5 })
  })
})

describe('prewarm requests', () => {
  it('come as they were asked, and not after too many hops', () => {
    const request: AnyRequest<PrewarmRequests> = { name: 'submit', hops: 3, ask: { id: ID, spec: specOf() } }
    assert.deepEqual(
      plain(decodeRequest(encodeRequest<PrewarmRequests, NameOf<PrewarmRequests>>(request))),
      plain(request),
    )
    assert.equal(
      decodeRequest(encodeRequest<PrewarmRequests, NameOf<PrewarmRequests>>({ ...request, hops: 17 })),
      undefined,
    )
    assert.equal(decodeRequest(Buffer.from('{"name":"need","hops":0,"ask":{}}')), undefined)
  })

  it('carry a job beside its order for versions that know none, and nobody reads it there', () => {
    const order = signOrder(new FleetTrust(LOOPBACK_KEY), JOB_ORDER, {
      id: ID,
      content: specOf(),
      issuedEpochMs: 1_000,
    })!
    const request = { name: 'submit', hops: 0, ask: { id: ID, spec: { images: 'of a liar' }, order } } as const
    const decoded = decodeRequest(encodeRequest<PrewarmRequests, NameOf<PrewarmRequests>>(request))
    assert.ok(decoded?.name === 'submit')
    assert.deepEqual(decoded.ask.order?.text, order.text)
  })

  it('are answered, or refused with a reason that keeps its code', () => {
    const need = { missing: Uint8Array.of(1), missingBytes: 5, freeBytes: 9 }
    assert.deepEqual(plain(decodeResponse('need', encodeResponse({ value: need }))), plain(need))
    const failed = (error: unknown) => () => decodeResponse('show', encodeResponse({ error }))
    assert.throws(failed(new ShoalError('PREWARM_UNKNOWN', 'no such job')), (error) =>
      isShoalError(error, 'PREWARM_UNKNOWN'),
    )
    // what happened inside of the other side is not this side's error
    assert.throws(failed(new TypeError('oops')), (error) => isShoalError(error, 'UNAVAILABLE'))
    assert.throws(
      () => decodeResponse('show', encodeResponse({ value: { id: 5 } })),
      (error) => isShoalError(error, 'UNAVAILABLE'),
    )
  })

  it('have room for a page of hosts whose names and reasons are as long as they may be', () => {
    const moved = { peer: 2 ** 52, home: 2 ** 52, parent: 2 ** 52, origin: 2 ** 52 }
    const host = {
      key: 'k'.repeat(64),
      name: '"'.repeat(1024),
      region: 'r'.repeat(128),
      reason: '"'.repeat(300),
      state: 'waiting' as const,
      haveBytes: 2 ** 52,
      totalBytes: 2 ** 52,
      movedBytes: moved,
      blobsDone: 9999,
    }
    const hosts = Array.from({ length: HOSTS_PER_PAGE }, () => host)
    const { length } = decodeResponse('hosts', encodeResponse({ value: { hosts, more: true } })).hosts
    assert.equal(length, HOSTS_PER_PAGE)
  })
})

/** Byte strings of whatever class. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, inner: unknown) => (inner instanceof Uint8Array ? [...inner] : inner)).replaceAll(
      /\{"type":"Buffer","data":(\[[^\]]*\])\}/g,
      '$1',
    ),
  )
}
