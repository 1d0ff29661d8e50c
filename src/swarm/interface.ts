import type { Refusal } from '../base/outcome.ts'
import type { Digest } from '../oci/digest.ts'
import type { Judgement, Trust } from '../trust/index.ts'
import type { Message, Request, Response } from './registry.ts'
import type { Feature } from './speech.ts'
import type { HashRun, PeerAddress } from './wire-types.ts'

/** A peer's identity: its libp2p peer id as text, proven by the noise handshake. */
export type PeerKey = string

export type Role = 'agent' | 'cache'

/** What a member says of itself in its hello, after its membership was proven. `role: cache` is proven too. */
export interface PeerInfo {
  readonly key: PeerKey
  readonly role: Role
  readonly region: string
  readonly zone: string | null
  /** Where it can be dialled: `host:port`. */
  readonly addresses: readonly string[]
  /** What it ranks by as a home, if it has said: a secret among members, or its key. */
  readonly rank?: string | undefined
  /** Whether an authority of the fleet says that it is a cache, and not only the fleet's cache key. */
  readonly certified?: boolean | undefined
  /** What the cache keys are called whose signatures it believes; undefined when it has not said. */
  readonly cacheKeys?: readonly string[] | undefined
}

/** An identity that several live hosts have, and where they were met. */
export interface Clone {
  readonly key: PeerKey
  readonly addresses: readonly string[]
}

/** A link to one proven member: one connection, one control stream, one piece channel, for all blobs. */
export interface PeerLink {
  readonly peer: PeerInfo
  /** Who dialled. */
  readonly direction: 'inbound' | 'outbound'
  /** Whether nothing at all has come from the peer lately, not even the signs of life that it owes when it is idle. */
  readonly silent: boolean
  /** How often bytes have come from the peer: as long as it stays as it is, nothing has. */
  readonly heardTimes: number
  /** The address (`host:port`) that this host found the peer at, when it dialled an address and not a peer. */
  readonly dialled?: string | undefined
  /** The IP address at the other end, where there is one. */
  readonly remote: string | undefined
  /** Whether what is said now leaves at once, and does not wait here behind what the peer has still to take. */
  readonly hasRoom: boolean
  /** Whether the peer understands this: hosts of several versions work together. */
  speaks(what: Message | Request | Feature): boolean
  /**
   * Sends, or drops: silently once the link is closed, counted when the peer does not understand it. Control messages
   * never wait behind pieces.
   */
  send<B>(message: Message<B>, body: NoInfer<B>): void
  /**
   * Asks and waits; refused as `unavailable` at once when the peer does not understand the request. Rejects `PEER_GONE` when
   * the link ends, with the signal's reason when aborted or timed out.
   */
  request<B, R extends Response>(request: Request<B, R>, body: NoInfer<B>, signal: AbortSignal): Promise<R | Refusal>
  /**
   * Sends one piece as the answer to the peer's request or want `id`. Resolves true when the peer has taken all of it
   * (over TLS; over the noise stream, when the transport has), false when it was aborted or the link ended. Pieces on
   * one link go out one after another; the next does not wait for the one before to arrive. `written` is called when
   * the transport has the last of it, before the promise resolves true.
   */
  sendPiece(id: number, piece: number, bytes: Uint8Array, signal: AbortSignal, written?: () => void): Promise<boolean>
  /**
   * Ids from here on are answered into `sink`. Must be called before the request or want with that id is sent, so that
   * nothing arrives that was not asked for. `forget` when the answer is in, or no longer wanted (late bytes are skipped).
   */
  expect(id: number, sink: PieceSink): void
  forget(id: number): void
  /** Ends the link. */
  close(reason: string): void
  /** Ends the link because the peer broke the protocol in a way only this host's services could see: counted and logged. */
  breach(problem: string): void
}

/** Receives the piece that answers one id. Called synchronously as bytes arrive; must not throw. */
export interface PieceSink {
  /** The header is in: `piece`, of `length` bytes, will follow. Returns the buffer to fill (exactly `length` long), or undefined to refuse, which is a protocol error of the peer. */
  begin(piece: number, length: number): Uint8Array | undefined
  /** `received` of the bytes are in the buffer. Told in steps of 64 KiB or more. */
  progress(received: number): void
  end(): void
}

/** What the swarm tells its owner. Called synchronously, in order per link; must not throw. */
export interface SwarmEvents {
  linked(link: PeerLink): void
  unlinked(link: PeerLink): void
  /** A body of what the protocol calls `name`. */
  message(link: PeerLink, name: string, body: unknown): void
  /** A peer asks for what the protocol calls `name`. The promise must not reject; the signal aborts when the link ends. */
  request(link: PeerLink, name: string, body: unknown, signal: AbortSignal): Promise<Response>
}

/** All links of this host. */
export interface Swarm extends AsyncDisposable {
  readonly self: PeerInfo
  /** What this host may say to the fleet, and who may have said something. */
  readonly trust: Trust
  /** Live links by peer: at most one each. */
  readonly links: ReadonlyMap<PeerKey, PeerLink>
  /** Those of them that are to caches: few, where `links` may be ten thousand. */
  readonly caches: ReadonlyMap<PeerKey, PeerLink>
  /** Identities that several live hosts have; this host's own is among them when peers say that another host has it. */
  readonly clones: readonly Clone[]
  /**
   * The link to a peer, dialling if there is none; concurrent dials to one peer or address share one attempt.
   * Rejects `PEER_GONE` (unreachable), `PEER_REFUSED` (not a member, other version, or banned).
   */
  connect(peer: PeerAddress, signal: AbortSignal): Promise<PeerLink>
  /** The same for an address whose peer is not known yet (`host:port`). Rejects `PEER_REFUSED` if it is this host. */
  connectAddress(address: string, signal: AbortSignal): Promise<PeerLink>
  /** Whether the peer is at an address (`host:port`), by going there and leaving again. Rejects with the signal's reason. */
  isAt(peer: PeerKey, address: string, signal: AbortSignal): Promise<boolean>
  /** Closes the link and refuses the peer for `ms`. */
  ban(peer: PeerKey, ms: number, reason: string): void
  /** Signs piece hashes, or with `before` states; undefined when this host may not speak as a cache, or not any more. */
  readonly vouch:
    | ((blob: Digest, size: number, first: number, hashes: Uint8Array, before?: Uint8Array) => Uint8Array | undefined)
    | undefined
  /** Whether a cache that speaks for `region` (default: this host's) has signed the run. */
  vouched(blob: Digest, size: number, run: HashRun, region?: string): boolean
  /**
   * What the signature of a run that came over `link` is worth: `good` by a cache of one of the regions, `false` when it
   * proves that the peer breaks the protocol, `unknown` when it may be right for others or have been right.
   */
  judge(blob: Digest, size: number, run: HashRun, regions: readonly string[], link: PeerLink): Judgement
}
