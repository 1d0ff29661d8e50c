import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { messageVerdict, requestVerdict } from '../../../src/orders/message-rights.ts'
import { PREWARM_WORDS } from '../../../src/prewarm/requests.ts'
import { PURGE_WORDS } from '../../../src/purge/words.ts'
import type { PeerInfo } from '../../../src/swarm/index.ts'

const RECEIVER = { region: 'eu', isParentRegion: (region: string) => region === 'core' }

const peer = (role: PeerInfo['role'], region: string): PeerInfo => ({
  key: '12D3KooWabc',
  role,
  region,
  zone: null,
  addresses: [],
})

const PEERS = {
  host: peer('agent', 'eu'),
  stranger: peer('agent', 'us'),
  cache: peer('cache', 'eu'),
  above: peer('cache', 'core'),
  below: peer('cache', 'edge'),
}
type Who = keyof typeof PEERS

const CACHES: readonly Who[] = ['cache', 'above', 'below']
const NEAR: readonly Who[] = ['host', 'cache']
const ALL: readonly Who[] = ['host', 'stranger', ...CACHES]

const WORDS = {
  messages: { ...PREWARM_WORDS.messages, ...PURGE_WORDS.messages },
  requests: { ...PREWARM_WORDS.requests, ...PURGE_WORDS.requests },
}

const MESSAGES: Record<keyof typeof WORDS.messages, readonly Who[]> = {
  host: NEAR,
  report: NEAR,
  checkIn: NEAR,
  task: ['cache'],
  standing: ['cache'],
  roster: ['cache'],
  fetched: ['cache'],
  row: ['cache', 'above'],
  schedule: ['cache'],
  purge: ['cache', 'above'],
  purges: ALL,
  purged: ALL,
  tally: CACHES,
}

const REQUESTS: Record<keyof typeof WORDS.requests, readonly Who[]> = {
  // their right is the operator's order in them
  submit: ALL,
  edit: ALL,
  schedule: ALL,
  unschedule: ALL,
  schedules: ALL,
  purge: ALL,
  purges: ALL,
  purgeCounts: CACHES,
  plan: ALL,
  list: ALL,
  show: ALL,
  hosts: ALL,
  survey: CACHES,
  need: CACHES,
}

describe('what a peer may say is looked at before it is parsed', () => {
  it('by who says it, for every kind of message and request', () => {
    for (const who of ALL) {
      for (const [kind, allowed] of Object.entries(MESSAGES)) {
        const body = Buffer.from(`{"kind":"${kind}", this is no JSON`)
        const expected = allowed.includes(who) ? 'taken' : 'refused'
        assert.equal(messageVerdict(WORDS.messages, body, PEERS[who], RECEIVER), expected, `${kind} of ${who}`)
      }
      for (const [name, allowed] of Object.entries(REQUESTS)) {
        const body = Buffer.from(`{"name":"${name}", this is no JSON`)
        const expected = allowed.includes(who) ? 'taken' : 'refused'
        assert.equal(requestVerdict(WORDS.requests, body, PEERS[who], RECEIVER), expected, `${name} of ${who}`)
      }
    }
  })

  it('and by its length: what a host says is short', () => {
    const long = (head: string): Uint8Array => Buffer.from(head.padEnd(600_000))
    for (const kind of ['host', 'report', 'checkIn'])
      assert.equal(messageVerdict(WORDS.messages, long(`{"kind":"${kind}"`), PEERS.host, RECEIVER), 'refused', kind)
    for (const name of ['submit', 'edit', 'plan', 'list', 'show', 'hosts'])
      assert.equal(requestVerdict(WORDS.requests, long(`{"name":"${name}"`), PEERS.host, RECEIVER), 'refused', name)
    assert.equal(messageVerdict(WORDS.messages, long('{"kind":"row"'), PEERS.cache, RECEIVER), 'taken')
  })

  it('what has no kind that is known is of a later version', () => {
    for (const text of [
      '',
      '{',
      '{"job":1,"kind":"host"}',
      '{"kind":"party"}',
      '{"kind":"toString"}',
      '{"name":"host"}',
    ]) {
      assert.equal(messageVerdict(WORDS.messages, Buffer.from(text), PEERS.cache, RECEIVER), 'unknown', text)
    }
  })
})
