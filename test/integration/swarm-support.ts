import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../src/base/clock.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { Logger } from '../../src/base/log.ts'
import type { MetricRegistry } from '../../src/base/metrics.ts'
import { refused } from '../../src/base/outcome.ts'
import { PROTOCOL } from '../../src/node/protocol.ts'
import type { FleetKey, PeerLink, PieceSink, Response, SwarmEvents, SwarmOptions } from '../../src/swarm/index.ts'
import { Libp2pSwarm, LOOPBACK_KEY } from '../../src/swarm/index.ts'
import type { Interfaces } from '../../src/swarm/own-addresses.ts'
import { tierRequests } from '../../src/tier/index.ts'
import { ANY_PORT } from '../support/address-of.ts'
import { eventually } from '../support/eventually.ts'
import type { Said } from '../support/said.ts'
import { said } from '../support/said.ts'

const REFUSED = refused('unknown', 'not here')

type Answer = (name: string, body: unknown, signal: AbortSignal) => Promise<Response>

/** Keeps what a swarm said, and lets tests wait for it. */
export class RecordedEvents implements SwarmEvents {
  readonly linkedPeers: PeerLink[] = []
  readonly unlinkedPeers: PeerLink[] = []
  readonly messages: Said[] = []
  onLinked: (link: PeerLink) => void = () => {}
  onMessage: (link: PeerLink, message: Said) => void = () => {}
  answer: Answer = async () => REFUSED

  linked(link: PeerLink): void {
    this.linkedPeers.push(link)
    this.onLinked(link)
  }

  unlinked(link: PeerLink): void {
    this.unlinkedPeers.push(link)
  }

  message(link: PeerLink, name: string, body: unknown): void {
    const message = said(name, body)
    this.messages.push(message)
    this.onMessage(link, message)
  }

  request(_link: PeerLink, name: string, body: unknown, signal: AbortSignal): Promise<Response> {
    return this.answer(name, body, signal)
  }
}

/** A logger that keeps all but the finest. */
export class RecordedLogger implements Logger {
  readonly warnings: string[] = []
  readonly infos: string[] = []
  debug(): void {}
  info(fields: object, message: string): void {
    this.infos.push(`${message} ${JSON.stringify(fields)}`)
  }
  warn(fields: object, message: string): void {
    this.warnings.push(`${message} ${JSON.stringify(fields)}`)
  }
  error(fields: object, message: string): void {
    this.warnings.push(`ERROR ${message} ${JSON.stringify(fields)} ${'err' in fields ? String(fields.err) : ''}`)
  }
  child(): Logger {
    return this
  }
}

/** Counts refusals, piece channels and frames, and reads gauges. */
export class RecordedMetrics implements MetricRegistry {
  readonly refusals = new Map<string, number>()
  /** By `direction/kind`. */
  readonly frames = new Map<string, number>()
  readonly frameBytes = new Map<string, number>()
  /** By `direction/kind`. */
  readonly dropped = new Map<string, number>()
  /** By `kind/result`. */
  readonly pieceChannels = new Map<string, number>()
  readonly #collect: (() => void)[] = []
  #peers = new Map<string, number>()

  counter(name: string): { inc(labels: Readonly<Record<string, string>>, by?: number): void } {
    const counts = this.#counts(name)
    return {
      inc: (labels, by = 1) => {
        const label = Object.values(labels).join('/')
        counts.set(label, (counts.get(label) ?? 0) + by)
      },
    }
  }

  gauge<L extends string>(
    name: string,
    _help: string,
    _labels: readonly L[],
    collect?: (gauge: { set(labels: Readonly<Record<L, string>>, value: number): void }) => void,
  ): { set(labels: Readonly<Record<L, string>>, value: number): void } {
    const gauge = {
      set: (labels: Readonly<Record<L, string>>, value: number): void => {
        this.#peers.set(Object.values(labels).join('/') || name, value)
      },
    }
    if (collect !== undefined) this.#collect.push(() => collect(gauge))
    return gauge
  }

  histogram(): { observe(): void } {
    return { observe() {} }
  }

  /** Gauges by their labels, or by their name when they have none. */
  peers(): ReadonlyMap<string, number> {
    for (const collect of this.#collect) collect()
    return this.#peers
  }

  #counts(name: string): Map<string, number> {
    switch (name) {
      case 'shoal_piece_channels_total':
        return this.pieceChannels
      case 'shoal_control_frames_total':
        return this.frames
      case 'shoal_control_dropped_total':
        return this.dropped
      case 'shoal_control_bytes_total':
        return this.frameBytes
      default:
        return this.refusals
    }
  }
}

export interface TestHost {
  readonly swarm: Libp2pSwarm
  readonly events: RecordedEvents
  readonly logger: RecordedLogger
  readonly metrics: RecordedMetrics
  readonly address: string
}

/** Real swarms on loopback, all disposed together. */
export class TestFleet implements AsyncDisposable {
  readonly directory: string
  readonly hosts: TestHost[] = []

  private constructor(directory: string) {
    this.directory = directory
  }

  static async create(): Promise<TestFleet> {
    return new TestFleet(await mkdtemp(join(tmpdir(), 'shoal-swarm-')))
  }

  async host(
    options: Partial<SwarmOptions> & { readonly fleetKey?: FleetKey } = {},
    { interfaces, clock = systemClock }: { readonly interfaces?: () => Interfaces; readonly clock?: Clock } = {},
  ): Promise<TestHost> {
    const events = new RecordedEvents()
    const logger = new RecordedLogger()
    const metrics = new RecordedMetrics()
    const swarm = await Libp2pSwarm.start(
      {
        listen: ANY_PORT,
        role: 'agent',
        region: 'test',
        zone: null,
        fleetKey: LOOPBACK_KEY,
        identityPath: join(this.directory, `identity-${this.hosts.length}`),
        ...options,
      },
      { events, protocol: PROTOCOL, clock, logger, metrics, interfaces },
    )
    const host: TestHost = { swarm, events, logger, metrics, address: swarm.self.addresses[0] ?? '' }
    this.hosts.push(host)
    return host
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.swarm[Symbol.asyncDispose]()))
    await rm(this.directory, { recursive: true, force: true })
  }
}

/**
 * Makes a member one of those that stand in when the cache is gone: it shows what the cache has drawn for it, as hosts do.
 * What it answers to all else must be set before.
 */
export async function standsIn({ swarm, events }: TestHost, cacheAddress: string): Promise<void> {
  const link = await swarm.connectAddress(cacheAddress, soon())
  const drawn = await link.request(tierRequests.members, { limit: 0 }, soon())
  if (drawn.kind !== 'members' || drawn.lot === undefined) throw new Error('the cache has drawn nothing for a member')
  const { answer } = events
  events.answer = async (name, args, signal) =>
    name === 'members' ? { ...drawn, peers: [] } : answer(name, args, signal)
}

/** As `eventually`, the other way round. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  await eventually(what, condition)
}

/** A hang detector for dials and calls. */
export function soon(): AbortSignal {
  return AbortSignal.timeout(60_000)
}

/** Gathers one piece. */
export class GatheringSink implements PieceSink {
  readonly done: Promise<Uint8Array>
  piece = -1
  bytes = new Uint8Array()
  received = 0
  readonly #resolve: (bytes: Uint8Array) => void

  constructor() {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>()
    this.done = promise
    this.#resolve = resolve
  }

  begin(piece: number, length: number): Uint8Array {
    this.piece = piece
    this.bytes = new Uint8Array(length)
    return this.bytes
  }

  progress(received: number): void {
    this.received = received
  }

  end(): void {
    this.#resolve(this.bytes)
  }
}
