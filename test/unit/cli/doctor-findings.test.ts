import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { NodeStatus } from '../../../src/admin/index.ts'
import type { Check, Finding } from '../../../src/cli/doctor-findings.ts'
import { statusFindings, tierFindings } from '../../../src/cli/doctor-findings.ts'
import { SAMPLE_STATUS } from '../../support/admin-source.ts'

const cache = (state: string, servesInstead?: string) => ({ address: '10.0.0.2:7071', state, servesInstead })
const tier = (state: string, ...caches: NodeStatus['tier']['caches']) => ({ state, caches, parents: [] })
const WELL: NodeStatus = {
  ...SAMPLE_STATUS,
  openFiles: { limit: 4096, few: false },
  tier: tier('linked', cache('linked')),
}
const certificate = { role: 'cache', text: 'cache of region eu-1', serial: '1', endsEpochMs: 0 }
const trouble = {
  state: 'denied',
  message: 'it wants a login',
  remedy: 'check the login',
  sinceEpochMs: 0,
  failures: 1,
}
const denied = [{ kind: 'registry', label: 'r', trouble }]

function found(status: NodeStatus, answers = false): Finding[] {
  return [...statusFindings(status, '1.2.3'), ...tierFindings(status, () => answers)]
}

/** What a host is like, what is said of it, and whether that ends the command with 1. */
const FAULTS: readonly (readonly [what: string, Partial<NodeStatus>, Check, RegExp, 0 | 1, answers?: boolean])[] = [
  ['an agent that was not restarted', { version: '1.2.2' }, 'version', /runs is 1\.2\.2/, 0],
  [
    'a peer port for this machine only',
    { addresses: { ...WELL.addresses, peer: '127.0.0.1:7071' } },
    'peers',
    /at 127\.0\.0\.1:7071 only/,
    1,
  ],
  ['no cache that answers', { tier: tier('acting', cache('unreachable')) }, 'tier', /nobody answers at 10\.0\.0\.2/, 1],
  ['another key', { tier: tier('acting', cache('unreachable')) }, 'tier', /answers, but there is no link/, 1, true],
  [
    'one cache of two',
    { tier: tier('linked', cache('linked'), { ...cache('unreachable'), address: '10.0.0.3:7071' }) },
    'tier',
    /nobody answers at 10\.0\.0\.3/,
    0,
  ],
  ['a cache of another region', { tier: tier('acting', cache('linked', 'us-1')) }, 'tier', /of region us-1/, 1],
  ['a name that resolves to nothing', { tier: tier('acting') }, 'tier', /no cache of region eu-1 is there/, 1],
  [
    'one identity on two hosts',
    { peers: { linked: 1, caches: 1, clones: [{ peerId: '12D3', addresses: ['10.0.0.8:1', '10.0.0.9:1'] }] } },
    'identity',
    /several hosts are 12D3: 10\.0\.0\.8:1, 10\.0\.0\.9:1/,
    1,
  ],
  [
    'a certificate that was revoked',
    { credentials: [{ ...certificate, daysLeft: 90, problem: 'revoked' }] },
    'credentials',
    /counts for nothing: revoked/,
    1,
  ],
  [
    'a certificate that ends soon',
    { credentials: [{ ...certificate, daysLeft: 3, problem: null }] },
    'credentials',
    /ends in 3 days/,
    0,
  ],
  [
    'an origin that wants a login',
    { upstreams: [{ name: 'registry.corp', access: 'node', origins: denied }] },
    'origins',
    /registry\.corp: r is denied: it wants a login/,
    1,
  ],
  ['a full disk', { store: { ...WELL.store, diskFull: true } }, 'disk', /disk is full/, 1],
  ['a read-only disk', { store: { ...WELL.store, state: 'read_only' } }, 'disk', /disk is read-only/, 1],
  ['few open files', { openFiles: { limit: 64, few: true } }, 'files', /64 open files at most/, 0],
]

describe('shoal doctor finds', () => {
  it('nothing on a host that is well', () => {
    assert.deepEqual(
      found(WELL).filter(({ level }) => level !== 'ok'),
      [],
    )
  })

  for (const [what, status, check, text, exitCode, answers] of FAULTS) {
    it(`${what}, and says what to do`, () => {
      const [finding, ...more] = found({ ...WELL, ...status }, answers).filter(({ level }) => level !== 'ok')
      assert.deepEqual([finding?.check, finding?.exitCode, more], [check, exitCode, []])
      assert.match(finding?.text ?? '', text)
      assert.ok((finding?.remedy?.length ?? 0) > 8)
    })
  }

  it('no fault in a host without caches, nor in a parent region of which one cache is linked', () => {
    assert.ok(found({ ...WELL, tier: tier('own') }).every(({ level }) => level === 'ok'))
    const caches = [cache('linked'), { ...cache('unreachable'), address: '10.1.0.3:7071' }]
    const parents = [{ region: 'core', caches }]
    assert.ok(found({ ...WELL, tier: { ...WELL.tier, parents } }).every(({ level }) => level === 'ok'))
  })
})
