import type {
  AdminServerDeps,
  AdminServerOptions,
  AdminSource,
  Limits,
  LimitsPatch,
  NodeStatus,
  PageSource,
  PinSource,
  PrewarmSource,
  ReadinessCondition,
  TransferStatus,
} from '../../src/admin/index.ts'
import { systemClock } from '../../src/base/clock.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { Events } from '../../src/base/events.ts'
import { LogLevel } from '../../src/node/index.ts'
import { parseReference } from '../../src/oci/reference.ts'
import type { PinView } from '../../src/pins/index.ts'
import { ANY_PORT } from './address-of.ts'

const MIB = 1024 * 1024
export const SAMPLE_DIGEST = `sha256:${'ab'.repeat(32)}`

export const SAMPLE_STATUS: NodeStatus = {
  version: '1.2.3',
  role: 'agent',
  region: 'eu-1',
  zone: 'a',
  peerId: '12D3KooWsample',
  uptimeSeconds: 3600,
  addresses: { mirror: '127.0.0.1:7070', peer: '0.0.0.0:7071', admin: '127.0.0.1:7072' },
  store: {
    capacityBytes: 100 * MIB,
    completeBytes: 30 * MIB,
    partialBytes: 2 * MIB,
    pinnedBytes: MIB,
    diskFull: false,
    state: 'ok',
  },
  openFiles: { limit: 64, few: true },
  peers: { linked: 5, caches: 1 },
  tier: {
    state: 'up',
    caches: [{ address: '10.0.0.2:7071', key: '12D3KooWcache', state: 'linked' }],
    parents: [{ region: 'eu-core', caches: [{ address: '10.1.0.2:7071', state: 'down' }] }],
  },
  received: { peer: 20 * MIB, home: 10 * MIB, parent: 0, origin: 0 },
  sent: { runtime: 30 * MIB, peer: 7 * MIB, region: 0, child: 0 },
  transfersActive: 1,
  upstreams: [{ name: 'docker.io', access: 'public', origins: [{ kind: 'registry', label: 'registry r' }] }],
}

export const SAMPLE_TRANSFER: TransferStatus = {
  digest: SAMPLE_DIGEST,
  sizeBytes: 8 * MIB,
  haveBytes: 2 * MIB,
  bytesPerSec: 3 * MIB,
  etaSeconds: 2,
  from: { peer: MIB, home: MIB, parent: 0, origin: 0 },
  peers: 4,
  startedEpochMs: 1_700_000_000_000,
  state: 'running',
}

/** A daemon's facts held in memory, to be shown through a real admin server. */
export class MemoryAdminSource implements AdminSource {
  isReady = true
  currentTransfers: readonly TransferStatus[] = [SAMPLE_TRANSFER]
  readonly invalidated: string[] = []
  #limits: Limits = { upload: 0, download: 0, origin: 0, prewarm: 0 }

  ready(want: readonly ReadinessCondition[]) {
    const conditions = { tier: 'ok', origin: 'an origin of docker.io is denied', disk: 'ok' }
    if (!this.isReady) return { ready: false, reason: 'the store is being recovered', conditions }
    const ready = !want.includes('origin')
    return { ready, reason: ready ? 'ok' : conditions.origin, conditions }
  }

  status() {
    return SAMPLE_STATUS
  }

  transfers() {
    return this.currentTransfers
  }

  blobs() {
    const lastUsedEpochMs = 1_700_000_000_000
    const pin = { pinned: false, pinnedUntilEpochMs: null }
    return [
      { digest: SAMPLE_DIGEST, sizeBytes: 5, storedBytes: 5, state: 'complete' as const, lastUsedEpochMs, ...pin },
    ]
  }

  peers() {
    const where = { region: 'eu-1', zone: null, addresses: ['10.0.0.7:7071'] }
    return [{ key: 'k', role: 'agent', ...where, direction: 'inbound' as const, sentBytes: 1, receivedBytes: 2 }]
  }

  async invalidate(reference: string) {
    const { target } = parseReference(reference, 'docker.io')
    if (target.kind === 'digest') throw new ShoalError('UNAVAILABLE', 'nobody there')
    if (target.tag === 'boom') throw new TypeError('secret inner state')
    this.invalidated.push(reference)
    return target.tag === 'cold' ? { everywhere: true } : { digest: SAMPLE_DIGEST, everywhere: target.tag !== 'here' }
  }

  limits() {
    return this.#limits
  }

  setLimits(patch: LimitsPatch) {
    const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined))
    this.#limits = { ...this.#limits, ...given }
    return this.#limits
  }
}

/** Pins of images nobody has to have. */
export class MemoryPins implements PinSource {
  readonly #pins = new Map<string, PinView>()

  list() {
    return [...this.#pins.values()]
  }

  async pin(reference: string, { forMs }: { readonly forMs: number }) {
    parseReference(reference, 'docker.io')
    const pin = {
      job: null,
      reference,
      digest: SAMPLE_DIGEST,
      untilEpochMs: forMs,
      blobs: 4,
      bytes: 8 * MIB,
      presentBytes: 2 * MIB,
    }
    this.#pins.set(reference, pin)
    return pin
  }

  async unpin(reference: string) {
    return this.#pins.delete(reference)
  }
}

/** A page about a host that does nothing. */
export class MemoryPage implements PageSource {
  view(isOwn: boolean) {
    return {
      atEpochMs: 1_700_000_000_000,
      status: SAMPLE_STATUS,
      readiness: { ready: true, reason: 'ok', conditions: { tier: 'ok', origin: 'ok', disk: 'ok' } },
      transfers: [],
      moreTransfers: 0,
      own: isOwn ? { zones: [], jobs: [], jobsProblem: null, pins: [] } : null,
    }
  }
}

/** What a host, an image or a registry may call itself or say. */
export const HOSTILE = '<img src=x onerror=alert(1)>'

const CLONE = { peerId: HOSTILE, addresses: [HOSTILE] }

/** A page on which everything that others name is markup, and some of it twice the same. */
export function hostilePage(): PageSource {
  const status: NodeStatus = {
    ...SAMPLE_STATUS,
    region: HOSTILE,
    zone: HOSTILE,
    peers: { linked: 1, caches: 1, clones: [CLONE, CLONE] },
    tier: { state: 'up', caches: [{ address: HOSTILE, state: HOSTILE, servesInstead: HOSTILE }], parents: [] },
    upstreams: [
      {
        name: HOSTILE,
        access: 'public',
        origins: [
          {
            kind: 'registry',
            label: HOSTILE,
            trouble: { state: HOSTILE, message: HOSTILE, remedy: HOSTILE, sinceEpochMs: Date.now(), failures: 2 },
          },
        ],
      },
    ],
  }
  const job = {
    id: HOSTILE,
    state: 'running',
    reason: HOSTILE,
    priority: 0,
    images: [{ reference: HOSTILE }],
    hosts: { total: 1, waiting: 0, moving: 1, loading: 0, ready: 0, failed: 0, skipped: 0 },
    bytes: { total: 10, have: 1, moved: 1, origin: 1 },
    bytesPerSec: 1,
    seconds: 1,
    endedEpochMs: null,
    wave: { number: 1, of: 1, open: 1 },
    waves: ['100%'],
    reasons: [{ state: 'failed', reason: HOSTILE, count: 1, hosts: [HOSTILE] }],
    etaSeconds: 9,
    slowest: [
      {
        key: HOSTILE,
        name: HOSTILE,
        region: HOSTILE,
        state: 'moving' as const,
        haveBytes: 1,
        totalBytes: 10,
        bytesPerSec: 1,
        etaSeconds: 9,
      },
    ],
  }
  const moved = { sentPerSec: 1, receivedPerSec: 1, sentBytes: 1, receivedBytes: 1 }
  const zone = { region: HOSTILE, zone: HOSTILE, hosts: 1, sentPerSec: 1, receivedPerSec: 1 }
  const own = {
    zones: [{ ...zone, slowest: [{ key: HOSTILE, address: HOSTILE, role: HOSTILE, ...moved }] }],
    jobs: [job],
    jobsProblem: HOSTILE,
    pins: [{ reference: HOSTILE, job: HOSTILE, untilEpochMs: 0, bytes: 2, presentBytes: 1 }],
  }
  const transfer = { ...SAMPLE_TRANSFER, picture: '0123456789', repository: HOSTILE, state: HOSTILE }
  return {
    view: (isOwn) => ({
      atEpochMs: Date.now(),
      status,
      readiness: { ready: false, reason: HOSTILE, conditions: { tier: HOSTILE, origin: HOSTILE, disk: HOSTILE } },
      transfers: [isOwn ? transfer : { ...transfer, repository: null }],
      moreTransfers: 0,
      own: isOwn ? own : null,
    }),
  }
}

async function noPrewarm(): Promise<never> {
  throw new ShoalError('UNAVAILABLE', 'no prewarm here')
}

const NO_PREWARM: PrewarmSource = {
  start: noPrewarm,
  schedule: noPrewarm,
  schedules: noPrewarm,
  unschedule: noPrewarm,
  obeySchedule: noPrewarm,
  plan: noPrewarm,
  list: noPrewarm,
  show: noPrewarm,
  gate: noPrewarm,
  hosts: noPrewarm,
  edit: noPrewarm,
  obey: noPrewarm,
}

export const ADMIN_TOKEN = '0123456789abcdef0123'
export const ADMIN_HEADERS = { authorization: `Bearer ${ADMIN_TOKEN}` }

/** An admin server on a free port as agents without a token file of their operator's have it, but without a socket. */
export function adminOptions(change: Partial<AdminServerOptions> = {}): AdminServerOptions {
  return {
    listen: ANY_PORT,
    token: ADMIN_TOKEN,
    tokenFile: '/var/lib/shoal/admin.token',
    isClosed: false,
    socket: undefined,
    needsSocket: false,
    ...change,
  }
}

/** The parts of a server's dependencies that most tests do not look at. */
export function quietEntrances(): Omit<AdminServerDeps, 'source' | 'metrics' | 'logger'> {
  return {
    page: new MemoryPage(),
    pins: new MemoryPins(),
    hooks: { admits: () => 'unknown', receive: () => ({ kind: 'unknown' }) },
    prewarm: NO_PREWARM,
    purges: { start: noPrewarm, obey: noPrewarm, list: noPrewarm, show: noPrewarm },
    verify: { start: noPrewarm, view: () => undefined, stop: async () => {} },
    events: new Events(systemClock),
    why: { why: noPrewarm },
    logs: new LogLevel('info', systemClock),
  }
}
