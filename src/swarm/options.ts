import type { Address } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import { ownFileShares } from '../base/open-files.ts'
import type { FleetKey, FleetTrust } from '../trust/index.ts'
import type { Role, SwarmEvents } from './interface.ts'
import type { Interfaces } from './own-addresses.ts'
import type { Protocol } from './registry.ts'

/** What bounds a swarm. All optional: the defaults are for real networks. */
export interface SwarmLimits {
  /**
   * Links beyond which inbound connections are refused; own dials are refused at twice as many. Default 4096 for a cache, 256
   * for an agent. An idle link is 120 to 200 KiB (npm run bench:prewarm).
   */
  readonly maxLinks: number
  /**
   * Inbound connections that have not proven membership yet; more are closed unread and come again. One takes 10 ms of CPU:
   * 256 are through before their dialler gives up (4 s), however many hosts come back at once. With 512 nobody was.
   */
  readonly maxHandshakes: number
  /** Requests of one peer being answered at once; more are refused. Also what this host sends ahead of the answers. */
  readonly maxRequests: number
  /**
   * Bytes that all links together may make this host hold: of frames that are not whole, and of what their peers have not
   * read. It is passed for a moment, and never by more than as much again. Default 64 MiB for a cache, 32 MiB for an agent.
   */
  readonly maxUnreadBytes: number
  /** From connection to link. */
  readonly handshakeTimeoutMs: number
  /** To get a connection, over all addresses of a peer. */
  readonly dialTimeoutMs: number
  /** To get an answer. */
  readonly requestTimeoutMs: number
  /** How often a link that has nothing to say says so; three times as long without a byte ends it. */
  readonly pingIntervalMs: number
}

const MIB = 1024 * 1024

const COMMON_LIMITS = {
  maxHandshakes: 256,
  maxRequests: 32,
  handshakeTimeoutMs: 5_000,
  dialTimeoutMs: 5_000,
  requestTimeoutMs: 30_000,
  pingIntervalMs: 5_000,
}

export const DEFAULT_SWARM_LIMITS: Readonly<Record<Role, SwarmLimits>> = {
  agent: { maxLinks: 256, maxUnreadBytes: 32 * MIB, ...COMMON_LIMITS },
  cache: { maxLinks: 4096, maxUnreadBytes: 64 * MIB, ...COMMON_LIMITS },
}

/** A link has up to three sockets; up to twice as many may be made by own dials as are taken, but few hosts make them. */
const FILES_PER_LINK = 3
/** One connection that is served, and those that wait (`Arrivals`). */
const FILES_PER_HANDSHAKE = 5
const FOR_HANDSHAKES = 0.2

/** The limits that a number of open files allows: a peer that is refused finds another host, a pull without a file fails. */
export function fittingLimits(limits: SwarmLimits, files: number): SwarmLimits {
  const handshakes = Math.max(1, Math.floor((files * FOR_HANDSHAKES) / FILES_PER_HANDSHAKE))
  const links = Math.max(1, Math.floor((files * (1 - FOR_HANDSHAKES)) / FILES_PER_LINK))
  return {
    ...limits,
    maxLinks: Math.min(limits.maxLinks, links),
    maxHandshakes: Math.min(limits.maxHandshakes, handshakes),
  }
}

/** The same for this process. */
export function limitsHere(wanted: SwarmLimits): SwarmLimits {
  return fittingLimits(wanted, ownFileShares().peers)
}

/** How pieces travel. auto: over TLS, or over the libp2p stream where that cannot be had. tls, stream: that or nothing. */
export const PIECE_CHANNEL_KINDS = ['auto', 'tls', 'stream'] as const
export type PieceChannelKind = (typeof PIECE_CHANNEL_KINDS)[number]

export interface SwarmOptions {
  /** Where to listen, by IP address. Without a fleet key: on loopback. */
  readonly listen: Address
  /** `host:port`s others can dial. Default, or when empty: what `listen` says, with the bound port. */
  readonly announce?: readonly string[] | undefined
  readonly role: Role
  readonly region: string
  readonly zone: string | null
  /** LOOPBACK_KEY when the host has no key file. */
  readonly fleetKey: FleetKey
  /** In the place of `fleetKey`: several keys, or certificates. */
  readonly trust?: FleetTrust | undefined
  /** The file with this host's own key; made on the first start. */
  readonly identityPath: string
  /** Default `auto`. */
  readonly pieceChannel?: PieceChannelKind | undefined
  /** This program's version, for the other side's logs. */
  readonly software?: string | undefined
  readonly limits?: Partial<SwarmLimits> | undefined
}

export interface SwarmDeps {
  /** What its links carry. */
  readonly protocol: Protocol
  readonly events: SwarmEvents
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: MetricRegistry
  /** The network interfaces, looked up again and again. Default: this machine's. */
  readonly interfaces?: (() => Interfaces) | undefined
}
