import type {
  AdminDoorDeps,
  AdminDoorOptions,
  AdminSource,
  Limits,
  LimitsPatch,
  NodeStatus,
  PinSource,
  PinStatus,
  PrewarmSource,
  ReadinessCondition,
  TransferStatus,
} from '../../src/admin/index.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { parseReference } from '../../src/oci/reference.ts'

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
  peers: { linked: 5, caches: 1 },
  tier: {
    state: 'up',
    caches: [{ address: '10.0.0.2:7071', key: '12D3KooWcache', state: 'linked' }],
    parents: [{ region: 'eu-core', caches: [{ address: '10.1.0.2:7071', state: 'down' }] }],
  },
  received: { peer: 20 * MIB, home: 10 * MIB, parent: 0, origin: 0 },
  sent: { runtime: 30 * MIB, peer: 7 * MIB, child: 0 },
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

/** A daemon's facts held in memory, to be shown through a real admin door. */
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
  readonly #pins = new Map<string, PinStatus>()

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

async function noPrewarm(): Promise<never> {
  throw new ShoalError('UNAVAILABLE', 'no prewarm here')
}

const NO_PREWARM: PrewarmSource = {
  start: noPrewarm,
  plan: noPrewarm,
  list: noPrewarm,
  show: noPrewarm,
  hosts: noPrewarm,
  edit: noPrewarm,
  obey: noPrewarm,
}

export const ADMIN_TOKEN = '0123456789abcdef0123'
export const ADMIN_HEADERS = { authorization: `Bearer ${ADMIN_TOKEN}` }

/** An admin server on a free port as agents without a token file of their operator's have it, but without a socket. */
export function adminOptions(change: Partial<AdminDoorOptions> = {}): AdminDoorOptions {
  return {
    host: '127.0.0.1',
    port: 0,
    token: ADMIN_TOKEN,
    tokenFile: '/var/lib/shoal/admin.token',
    isClosed: false,
    socket: undefined,
    needsSocket: false,
    ...change,
  }
}

/** The parts of a door's dependencies that most tests do not look at. */
export function quietEntrances(): Pick<AdminDoorDeps, 'pins' | 'hooks' | 'prewarm' | 'verify'> {
  return {
    pins: new MemoryPins(),
    hooks: { admits: () => 'unknown', receive: () => ({ kind: 'unknown' }) },
    prewarm: NO_PREWARM,
    verify: { start: noPrewarm, view: () => undefined, stop: async () => {} },
  }
}
