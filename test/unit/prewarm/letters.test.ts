import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isShoalError, ShoalError } from '../../../src/base/errors.ts'
import { createJob } from '../../../src/prewarm/job.ts'
import type { Letter } from '../../../src/prewarm/letters.ts'
import { decodeLetter, encodeLetter } from '../../../src/prewarm/letters.ts'
import type { Question } from '../../../src/prewarm/questions.ts'
import {
  decodeAnswer,
  decodeQuestion,
  encodeAnswer,
  encodeQuestion,
  HOSTS_PER_PAGE,
} from '../../../src/prewarm/questions.ts'
import { newJob, planOf, reportOf, specOf, surveyOf, tallyOf } from './fixtures.ts'

const ID = 'job-00001'
const surveys = [surveyOf('a', 3)]
const row = createJob(
  newJob({ id: ID, root: 'a', spec: specOf({ waves: ['1', '10%'] }), plan: planOf(), surveys }),
  1000,
)
const task = {
  job: ID,
  revision: 1,
  plan: planOf(),
  resolvedEpochMs: 5,
  rateBytesPerSec: 0,
  pinUntilEpochMs: null,
  load: null,
} as const

const LETTERS: readonly Letter[] = [
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

describe('prewarm letters', () => {
  it('come as they were written', () => {
    for (const letter of LETTERS)
      assert.deepEqual(plain(decodeLetter(encodeLetter(letter))), plain(letter), letter.kind)
  })

  it('that are none are nothing, and throw nothing', () => {
    const wrong = [
      ...['', '{', 'null', '[]', '{"kind":"party"}', '{"kind":"task"}'].map((text) => Buffer.from(text)),
      Buffer.from([0xff, 0xfe]),
      encodeLetter({ kind: 'fetched', job: '../../etc', originBytes: 1 }),
      encodeLetter({ kind: 'fetched', job: ID, originBytes: -1 }),
    ]
    for (const bytes of wrong) assert.equal(decodeLetter(bytes), undefined, Buffer.from(bytes).toString())
  })

  it('may say more than this version knows', () => {
    const bytes = Buffer.from(JSON.stringify({ kind: 'fetched', job: ID, originBytes: 5, mood: 'good' }))
    assert.deepEqual(decodeLetter(bytes), { kind: 'fetched', job: ID, originBytes: 5 })
  })
})

describe('prewarm questions', () => {
  it('come as they were asked, and not after too many hops', () => {
    const question: Question = { name: 'submit', hops: 3, ask: { id: ID, spec: specOf() } }
    assert.deepEqual(plain(decodeQuestion(encodeQuestion(question))), plain(question))
    assert.equal(decodeQuestion(encodeQuestion({ ...question, hops: 17 })), undefined)
    assert.equal(decodeQuestion(Buffer.from('{"name":"need","hops":0,"ask":{}}')), undefined)
  })

  it('are answered, or refused with a reason that keeps its code', () => {
    const need = { missing: Uint8Array.of(1), missingBytes: 5, freeBytes: 9 }
    assert.deepEqual(plain(decodeAnswer('need', encodeAnswer({ value: need }))), plain(need))
    const failed = (error: unknown) => () => decodeAnswer('show', encodeAnswer({ error }))
    assert.throws(failed(new ShoalError('PREWARM_UNKNOWN', 'no such job')), (error) =>
      isShoalError(error, 'PREWARM_UNKNOWN'),
    )
    // what happened inside of the other side is not this side's error
    assert.throws(failed(new TypeError('oops')), (error) => isShoalError(error, 'UNAVAILABLE'))
    assert.throws(
      () => decodeAnswer('show', encodeAnswer({ value: { id: 5 } })),
      (error) => isShoalError(error, 'UNAVAILABLE'),
    )
  })

  it('have room for a page of hosts whose names and reasons are as long as they may be', () => {
    const moved = { peer: 2 ** 52, home: 2 ** 52, parent: 2 ** 52, origin: 2 ** 52 }
    const host = {
      ...{ key: 'k'.repeat(64), name: '"'.repeat(1024), region: 'r'.repeat(128), reason: '"'.repeat(300) },
      ...{ state: 'waiting' as const, haveBytes: 2 ** 52, totalBytes: 2 ** 52, movedBytes: moved, blobsDone: 9999 },
    }
    const hosts = Array.from({ length: HOSTS_PER_PAGE }, () => host)
    const { length } = decodeAnswer('hosts', encodeAnswer({ value: { hosts, more: true } })).hosts
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
