import { sleep } from '../base/abort.ts'
import type { Address } from '../base/address.ts'
import { isLoopback, MAX_ADDRESSES, parseAddress } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Logger } from '../base/log.ts'
import { SingleFlight } from '../base/single-flight.ts'
import type { Digest } from '../oci/digest.ts'
import type { Judgement } from '../trust/index.ts'
import { FleetTrust } from '../trust/index.ts'
import { ByteBudget } from './byte-budget.ts'
import { checkTrust } from './check-trust.ts'
import { Clones } from './clones.ts'
import { Dialler } from './dialler.ts'
import { DroppedNames } from './dropped-names.ts'
import { FramedPieceChannel } from './framed-piece-channel.ts'
import { loadHomesSecret } from './homes-secret.ts'
import { hasIdentity, loadIdentity } from './identity.ts'
import { InboundPort } from './inbound-port.ts'
import type { Clone, PeerInfo, PeerKey, PeerLink, Swarm, SwarmEvents } from './interface.ts'
import { introductionOf } from './introduction.ts'
import type { Joining, NewLink } from './joining.ts'
import { remoteHost } from './joining.ts'
import { closeConnection, Libp2pHost, peerMultiaddr } from './libp2p-host.ts'
import { Link } from './link.ts'
import { LinkCredentials } from './link-credentials.ts'
import { linkMessages } from './link-messages.ts'
import { LinkTable } from './link-table.ts'
import { Listener } from './listener.ts'
import type { SwarmMetrics } from './metrics.ts'
import { swarmMetrics } from './metrics.ts'
import { fromMultiaddr, toMultiaddr } from './multiaddr.ts'
import type { PieceChannelKind, SwarmDeps, SwarmLimits, SwarmOptions } from './options.ts'
import { DEFAULT_SWARM_LIMITS, limitsHere } from './options.ts'
import { OwnAddresses } from './own-addresses.ts'
import { peerAddresses } from './peer-addresses.ts'
import { RefusalLog } from './refusal-log.ts'
import { Dispatcher } from './registry.ts'
import { RunSignatures } from './run-signatures.ts'
import { TlsChannels } from './tls-channels.ts'
import { Vocabulary } from './vocabulary.ts'
import type { HashRun, PeerAddress } from './wire-types.ts'

/** Links say goodbye within this; then the sockets are cut. */
const STOP_GRACE_MS = 1_500

/** How much of the pieces may be on its way to us at once, by one link: within a region, and between two. */
const NEAR_WINDOW_BYTES = 4 * 1024 * 1024
const FAR_WINDOW_BYTES = 8 * 1024 * 1024
/** Far more than a fleet has liars; the oldest ban gives way. */
const MAX_BANS = 4096

interface SwarmParts {
  readonly options: SwarmOptions
  readonly deps: SwarmDeps
  readonly limits: SwarmLimits
  readonly trust: FleetTrust
}

/** The links of this host, over libp2p: TCP, noise for identity and encryption, yamux for the two streams of a link. */
export class Libp2pSwarm implements Swarm {
  readonly trust: FleetTrust
  readonly #events: SwarmEvents
  readonly #vocabulary: Vocabulary
  readonly #upkeep: Dispatcher<typeof linkMessages, Link>
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #limits: SwarmLimits
  readonly #loopbackOnly: boolean
  readonly #table = new LinkTable()
  readonly #bans: ExpiringMap<true>
  readonly #dropped: DroppedNames
  readonly #budget: ByteBudget
  readonly #metrics: SwarmMetrics
  readonly #signatures: RunSignatures
  readonly #clones: Clones
  readonly #stopping = new AbortController()
  readonly #flights = new SingleFlight<Link>()
  #self: PeerInfo
  #own: OwnAddresses | undefined
  #host: Libp2pHost | undefined
  #dialler: Dialler | undefined
  #listener: Listener | undefined
  #credentials: LinkCredentials | undefined
  readonly #pieceChannel: PieceChannelKind
  readonly #inbound: InboundPort
  #disposal: Promise<void> | undefined

  private constructor(parts: SwarmParts) {
    const { options, deps, limits, trust } = parts
    this.trust = trust
    this.#events = deps.events
    this.#vocabulary = new Vocabulary({ ...linkMessages, ...deps.protocol })
    this.#upkeep = new Dispatcher<typeof linkMessages, Link>({
      addresses: (link, { addresses }) => link.relocated(peerAddresses(addresses, link.remote)),
      credential: (link, shown) => this.#credentials?.renewed(link, shown),
      revocations: (link, told) => void this.#credentials?.heard(link, told),
    })
    this.#clock = deps.clock
    this.#logger = deps.logger
    this.#limits = limits
    this.#loopbackOnly = trust.isLoopback
    this.#bans = new ExpiringMap(deps.clock, MAX_BANS)
    this.#signatures = new RunSignatures(trust, deps.clock)
    this.#clones = new Clones({ clock: deps.clock, logger: deps.logger, pingIntervalMs: limits.pingIntervalMs })
    this.#budget = new ByteBudget(limits.maxUnreadBytes, deps.clock)
    this.#metrics = swarmMetrics(deps.metrics, () => ({
      links: this.#table.links.values(),
      handshakes: this.#inbound.arrivals.served,
      banned: this.#bans.size,
      clones: this.clones.length,
      unreadBytes: this.#budget.bytes,
    }))
    this.#dropped = new DroppedNames({ clock: deps.clock, logger: deps.logger, metrics: this.#metrics })
    this.#pieceChannel = options.pieceChannel ?? 'auto'
    this.#inbound = new InboundPort({
      clock: deps.clock,
      logger: deps.logger,
      limits,
      pieceChannel: this.#pieceChannel,
      metrics: () => this.#metrics,
    })
    this.#self = { key: '', role: options.role, region: options.region, zone: options.zone, addresses: [] }
  }

  /**
   * Loads or makes this host's identity and listens. Throws `CONFIG_INVALID` naming the key or file: a bad or taken
   * address, an address off loopback without a fleet key, a cache without the fleet's cache key.
   */
  static async start(options: SwarmOptions, deps: SwarmDeps): Promise<Libp2pSwarm> {
    const { listen, announce = [] } = options
    const trust = options.trust ?? new FleetTrust(options.fleetKey)
    checkTrust(options, trust, listen)
    const limits = limitsHere({ ...DEFAULT_SWARM_LIMITS[options.role], ...options.limits })
    const isNew = !(await hasIdentity(options.identityPath))
    const privateKey = await loadIdentity(options.identityPath, deps)
    const secret = await loadHomesSecret(options.identityPath, isNew, deps)
    const swarm = new Libp2pSwarm({ options, deps, limits, trust })
    const host = await Libp2pHost.start(
      { privateKey, listen, limits, port: swarm.#inbound.shared },
      {
        admits: () => swarm.#listener?.admits() ?? false,
        inbound: (connection) => swarm.#listener?.connected(connection),
        stream: (connection, protocol, stream) => swarm.#listener?.opened(connection, protocol, stream),
      },
    )
    if (announce.length === 0) {
      swarm.#own = new OwnAddresses(
        { host: listen.host, port: host.port },
        { clock: deps.clock, interfaces: deps.interfaces, changed: (addresses) => swarm.#relocated(addresses) },
      )
    }
    const addresses = swarm.#own?.current ?? announce
    const certified = options.role === 'cache' && trust.certificates !== undefined
    const told = { rank: secret ?? host.key, certified, cacheKeys: trust.cacheKeys }
    swarm.#begin(host, { ...swarm.#self, ...told, key: host.key, addresses }, options.software ?? 'shoal')
    return swarm
  }

  get self(): PeerInfo {
    return this.#self
  }

  get links(): ReadonlyMap<PeerKey, PeerLink> {
    return this.#table.links
  }

  get caches(): ReadonlyMap<PeerKey, PeerLink> {
    return this.#table.caches
  }

  get clones(): readonly Clone[] {
    return this.#clones.list(this.#self.key)
  }

  async connect(peer: PeerAddress, signal: AbortSignal): Promise<PeerLink> {
    signal.throwIfAborted()
    if (peer.key === this.#self.key) throw refusedDial('self', 'that peer is this host itself')
    if (this.#bans.get(peer.key) === true) throw refusedDial('banned', 'the peer is banned')
    const existing = this.#table.links.get(peer.key)
    if (existing !== undefined) return existing
    const addresses = peer.addresses.slice(0, MAX_ADDRESSES).map((address) => this.#diallable(address))
    const known = addresses
      .filter((address) => address !== undefined)
      .map((address) => peerMultiaddr(address, peer.key))
    if (known.length === 0) throw new ShoalError('PEER_GONE', 'the peer has no address that can be dialled')
    return await this.#flights.run(
      `peer ${peer.key}`,
      (flight) => this.#ready().dialPeer(peer.key, known, AbortSignal.any([flight, this.#stopping.signal])),
      signal,
    )
  }

  async connectAddress(address: string, signal: AbortSignal): Promise<PeerLink> {
    signal.throwIfAborted()
    const place = this.#diallable(address)
    if (place === undefined) throw refusedDial('other', `${address.slice(0, 300)} cannot be dialled from this host`)
    if (this.#self.addresses.includes(address)) throw refusedDial('self', 'that address is this host itself')
    const existing = this.#table.at(address)
    if (existing !== undefined) return existing
    const link = await this.#flights.run(
      `address ${address}`,
      (flight) =>
        this.#ready().dialAddress(toMultiaddr(place), address, AbortSignal.any([flight, this.#stopping.signal])),
      signal,
    )
    this.#table.learn(address, link.peer.key)
    return link
  }

  async isAt(peer: PeerKey, address: string, signal: AbortSignal): Promise<boolean> {
    const place = this.#diallable(address)
    return place !== undefined && (await this.#host?.isAt(peerMultiaddr(place, peer), signal)) === true
  }

  ban(peer: PeerKey, ms: number, reason: string): void {
    this.#bans.set(peer, true, ms)
    this.#logger.warn({ peer, ms, reason }, 'a peer was banned')
    this.#table.links.get(peer)?.close(`banned: ${reason}`)
  }

  get vouch(): Swarm['vouch'] {
    return this.#signatures.vouch
  }

  vouched(blob: Digest, size: number, run: HashRun, region = this.#self.region): boolean {
    return this.#signatures.vouched(blob, size, run, region)
  }

  judge(blob: Digest, size: number, run: HashRun, regions: readonly string[], link: PeerLink): Judgement {
    return this.#signatures.judge(blob, size, run, regions, link)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#stop()
    return this.#disposal
  }

  #begin(host: Libp2pHost, self: PeerInfo, software: string): void {
    this.#self = self
    const joining: Joining = {
      table: this.#table,
      bans: this.#bans,
      clones: this.#clones,
      context: introductionOf(() => this.#self, { trust: this.trust, software, speaks: this.#vocabulary.names }),
      vocabulary: this.#vocabulary,
      limits: this.#limits,
      arrivals: this.#inbound.arrivals,
      budget: this.#budget,
      clock: this.#clock,
      logger: this.#logger,
      refusals: new RefusalLog(this.#logger, this.#clock),
      metrics: this.#metrics,
      tls: this.#inbound.tls,
      stopping: this.#stopping.signal,
      link: (parts) => this.#link(parts),
    }
    this.#host = host
    const { table, clock, logger } = joining
    this.#credentials = new LinkCredentials({ trust: this.trust, table, clock, logger, self: self.key })
    this.#dialler = new Dialler(joining, host)
    this.#listener = new Listener(joining, this.#dialler)
  }

  /** Peers that link from now on are told in the introduction; those that are linked, here. */
  #relocated(addresses: readonly string[]): void {
    this.#self = { ...this.#self, addresses }
    this.#logger.info({ addresses }, 'this host now tells its peers other addresses')
    for (const link of this.#table.links.values()) this.#tellAddresses(link)
  }

  #tellAddresses(link: Link): void {
    const { addresses } = this.#self
    if (link.speaks(linkMessages.addresses)) link.send(linkMessages.addresses, { addresses })
  }

  #ready(): Dialler {
    this.#stopping.signal.throwIfAborted()
    if (this.#table.links.size >= this.#limits.maxLinks * 2) {
      throw new ShoalError('UNAVAILABLE', 'this host has as many links as it may')
    }
    return this.#dialler!
  }

  #diallable(address: string): Address | undefined {
    const place = parseAddress(address)
    return place === undefined || (this.#loopbackOnly && !isLoopback(place.host)) ? undefined : place
  }

  #link(parts: NewLink): Link {
    const { speech, direction, control, connection, observed, shown } = parts
    if (observed !== undefined) this.#own?.observed(observed)
    const remote = remoteHost(connection)
    const peer = { ...parts.peer, addresses: peerAddresses(parts.peer.addresses, remote) }
    const pieces = new FramedPieceChannel(parts.pieces, {
      hold: this.#pieceChannel === 'tls',
      firstUse: (use) => channels.used(use),
    })
    const channels = this.#channels({ ...parts, peer }, pieces)
    const link = new Link(
      { peer, remote, speech, direction, control, pieces, dialled: parts.dialled },
      {
        events: this.#events,
        clock: this.#clock,
        logger: this.#logger,
        limits: this.#limits,
        requestRefused: () => this.#metrics.refused('calls'),
        dropped: (what) => this.#dropped.note(peer.key, what),
        upkeep: this.#upkeep,
        ended: (ended, error) => {
          channels[Symbol.dispose]()
          this.#unlink(ended, error)
          if (error.code === 'PEER_PROTOCOL') connection.abort(error)
          else void closeConnection(connection)
        },
      },
    )
    this.#table.add(link)
    this.#logger.debug({ peer: peer.key, role: peer.role, direction }, 'linked')
    this.#tell('linked', link)
    this.#credentials?.linked(link, shown)
    link.start()
    channels.start()
    // they may have changed while the link was made, and by what the peer has seen
    if (parts.told !== undefined && parts.told.join() !== this.#self.addresses.join()) this.#tellAddresses(link)
    return link
  }

  #channels({ peer, connection, direction, control, tls }: NewLink, pieces: FramedPieceChannel): TlsChannels {
    const remote = fromMultiaddr(connection.remoteAddr)
    // What this host has dialled is good again; one that has dialled us is where it came from, at the port it names.
    const named = peer.addresses.map((address) => this.#diallable(address)).filter((place) => place !== undefined)
    const nearest = named.filter(({ host }) => host === remoteHost(connection))
    return new TlsChannels(
      { pieces, control, clock: this.#clock, logger: this.#logger, metrics: this.#metrics },
      {
        kind: this.#pieceChannel,
        terms: tls,
        places: direction === 'outbound' && remote !== undefined ? [remote] : nearest,
        windowBytes: peer.region === this.#self.region ? NEAR_WINDOW_BYTES : FAR_WINDOW_BYTES,
      },
    )
  }

  #unlink(link: Link, error: ShoalError): void {
    this.#table.remove(link)
    this.#credentials?.unlinked(link)
    const fields = { peer: link.peer.key, err: error }
    if (error.code === 'PEER_PROTOCOL') {
      this.#metrics.refused(error.details.reason === 'unread' ? 'unread' : 'protocol')
      this.#logger.warn(fields, 'a peer broke the protocol')
    } else {
      this.#logger.debug(fields, 'unlinked')
    }
    this.#tell('unlinked', link)
  }

  #tell(event: 'linked' | 'unlinked', link: Link): void {
    try {
      this.#events[event](link)
    } catch (error) {
      this.#logger.error({ event, err: error }, 'a swarm event handler failed')
    }
  }

  async #stop(): Promise<void> {
    const reason = new ShoalError('PEER_GONE', 'this host is stopping')
    this.#stopping.abort(reason)
    this.#own?.[Symbol.dispose]()
    for (const link of [...this.#table.links.values()]) link.end(reason)
    this.#credentials?.[Symbol.dispose]()
    this.#signatures[Symbol.dispose]()
    this.#inbound[Symbol.dispose]()
    const stopped = this.#host?.stop().catch((error: unknown) => {
      this.#logger.warn({ err: error }, 'libp2p did not stop cleanly')
    })
    await Promise.race([stopped, sleep(this.#clock, STOP_GRACE_MS)])
  }
}

function refusedDial(reason: string, message: string): ShoalError {
  return new ShoalError('PEER_REFUSED', message, { details: { reason } })
}
