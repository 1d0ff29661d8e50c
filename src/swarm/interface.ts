import type { Digest } from '../oci/digest.ts'
import type { TagOrDigest } from '../oci/reference.ts'
import type { Judgement, Order, Trust } from '../trust/index.ts'
import type { Feature } from './speech.ts'

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

/** Enough to dial a peer one has heard of. */
export interface PeerAddress {
  readonly key: PeerKey
  readonly addresses: readonly string[]
  /** What makes it more than the word of who names it. */
  readonly proof?: AddressProof | undefined
}

/** A cache of `region` has signed that it met the peer at these addresses (epoch ms, by its clock, rounded down). */
export interface AddressProof {
  readonly region: string
  readonly atMs: number
  readonly signature: Uint8Array
}

/**
 * A run of piece hashes, `hashes` being 32 bytes a piece from `first` on. With a signature it is vouched for: made by
 * a cache of the region over (blob, size, first, hashes), so that any member can pass it on. Without one it is a
 * peer's word: its pieces may be kept, but prove nothing until the whole digest does.
 */
export interface HashRun {
  readonly first: number
  readonly hashes: Uint8Array
  readonly signature?: Uint8Array | undefined
}

/** A cache of `region` has signed what a tag pointed to when the upstream confirmed it (epoch ms, by that cache's clock). */
export interface TagProof {
  readonly region: string
  readonly confirmedEpochMs: number
  readonly signature: Uint8Array
}

/** One-way messages on the control stream. `id` names a request of the sender of request/want; `queue` = pieces waiting to be sent. */
export type ControlMessage =
  | {
      readonly type: 'bitfield'
      readonly blob: Digest
      readonly size: number
      readonly bits: Uint8Array
      readonly queue: number
    }
  | { readonly type: 'have'; readonly blob: Digest; readonly pieces: readonly number[]; readonly queue: number }
  | { readonly type: 'hashes'; readonly blob: Digest; readonly size: number; readonly runs: readonly HashRun[] }
  | {
      readonly type: 'request'
      readonly id: number
      readonly blob: Digest
      readonly piece: number
      readonly background: boolean
    }
  /**
   * To a home only: "for each of these ids send me whichever piece you like" (super-seeding). Said again for ids that
   * still wait, with what is wanted by then.
   */
  | {
      readonly type: 'want'
      readonly ids: readonly number[]
      readonly blob: Digest
      readonly background: boolean
      readonly wanted: Uint8Array
    }
  | { readonly type: 'cancel'; readonly id: number }
  /** Will not send this now; ask elsewhere, or again later. */
  | { readonly type: 'busy'; readonly id: number; readonly queue: number }
  /** Home to member: more neighbours for this blob. */
  | { readonly type: 'peers'; readonly blob: Digest; readonly peers: readonly PeerAddress[] }
  /** The sender no longer takes part in this blob's swarm. */
  | { readonly type: 'leave'; readonly blob: Digest }
  /** The sender is no neighbour for this blob any more, or will not be: it is near to enough others. */
  | { readonly type: 'part'; readonly blob: Digest }
  /** Home to member: this home cannot get the rest. What came so far is right; ask elsewhere, or again later. */
  | { readonly type: 'giveUp'; readonly blob: Digest }
  /** From hosts of before: this peer sent bytes that do not match a vouched hash. Proves nothing, and moves nobody. */
  | { readonly type: 'accuse'; readonly blob: Digest; readonly piece: number; readonly peer: PeerKey }
  /** The sender can be dialled at these addresses from now on. Taken by the link itself. */
  | { readonly type: 'addresses'; readonly addresses: readonly string[] }
  /** For the prewarm service of the other side, in its own words (PREWARM.md): the swarm only carries it. */
  | { readonly type: 'letter'; readonly body: Uint8Array }
  | UpkeepMessage

/** Messages that the swarm's owner is told of. */
export type ContentMessage = Exclude<ControlMessage, UpkeepMessage>

/** What the swarm says and hears itself; its owner is told nothing of it. */
export type UpkeepMessage =
  /** The sender's certificate as a cache (DER) is another one now; `proof` as in its introduction. */
  | { readonly type: 'credential'; readonly certificate: Uint8Array; readonly proof: Uint8Array }
  /** What the authority of this fingerprint has revoked (DER), as of then (epoch ms). Proves itself. */
  | {
      readonly type: 'revocations'
      readonly authority: string
      readonly issuedAtMs: number
      readonly list: Uint8Array
    }

/** One kind of them. */
export type MessageOf<T extends ControlMessage['type']> = Extract<ControlMessage, { type: T }>

/** Questions with one answer each, by name; answers are `CallResults[name]`. */
export interface CallArguments {
  /** Take part in a blob's swarm, or get a small blob at once. `have` is empty for a new leecher. */
  readonly join: {
    readonly upstream: string
    readonly repository: string
    readonly digest: Digest
    readonly size?: number | undefined
    readonly have: Uint8Array
    /** Nobody waits for it. */
    readonly background?: boolean | undefined
  }
  /** A manifest by tag or digest. */
  readonly manifest: { readonly upstream: string; readonly repository: string; readonly target: TagOrDigest }
  readonly stat: {
    readonly upstream: string
    readonly repository: string
    readonly digest: Digest
    /** That a manifest names it is not enough: the repository's own origin must have said that it has it. */
    readonly confirm?: boolean | undefined
  }
  readonly tags: {
    readonly upstream: string
    readonly repository: string
    readonly limit?: number | undefined
    readonly after?: string | undefined
  }
  readonly referrers: {
    readonly upstream: string
    readonly repository: string
    readonly digest: Digest
    readonly artifactType?: string | undefined
  }
  /** Forget a cached tag, here and in the tiers above: without an order of somebody who may act on the fleet, nothing is. */
  readonly invalidate: {
    readonly upstream: string
    readonly repository: string
    readonly tag: string
    readonly order?: Order | undefined
  }
  /** Some hosts of the asker's region, for the day the caches are gone. */
  readonly members: { readonly limit: number }
  /** A question of the prewarm service to that of the other side, in its own words (PREWARM.md). */
  readonly prewarm: { readonly body: Uint8Array }
}

export type CallName = keyof CallArguments

/** What a peer may understand or not: a message, a call, or an ability that is neither. */
export type Spoken = ControlMessage['type'] | CallName | Feature

/** Why a call has no positive answer; mirrors the doors' refusals. */
export interface CallRefusal {
  readonly kind: 'refused'
  readonly reason: 'unknown' | 'denied' | 'unavailable'
  readonly message: string
  /** With `unavailable`: it is at work on the answer, and may be asked again for it at once. */
  readonly atWork?: boolean | undefined
}

export interface CallResults {
  readonly join:
    | { readonly kind: 'inline'; readonly bytes: Uint8Array }
    | {
        readonly kind: 'swarm'
        readonly size: number
        readonly peers: readonly PeerAddress[]
        readonly runs: readonly HashRun[]
        readonly members: number
      }
    | CallRefusal
  readonly manifest:
    | {
        readonly kind: 'manifest'
        readonly digest: Digest
        readonly mediaType: string
        readonly bytes: Uint8Array
        readonly stale: boolean
        readonly ageMs: number
        /** Of a tag: whoever passes the answer on passes this on with it. */
        readonly proof?: TagProof | undefined
      }
    | CallRefusal
  readonly stat: { readonly kind: 'stat'; readonly size: number } | CallRefusal
  readonly tags: { readonly kind: 'tags'; readonly tags: readonly string[]; readonly more: boolean } | CallRefusal
  readonly referrers:
    | { readonly kind: 'referrers'; readonly bytes: Uint8Array; readonly filtered: boolean }
    | CallRefusal
  readonly invalidate: { readonly kind: 'done' } | CallRefusal
  readonly members: { readonly kind: 'members'; readonly peers: readonly PeerAddress[] } | CallRefusal
  readonly prewarm: { readonly kind: 'prewarm'; readonly body: Uint8Array } | CallRefusal
}

/** A link to one proven member: one connection, one control stream, one piece channel, for all blobs. */
export interface PeerLink {
  readonly peer: PeerInfo
  /** Who dialled. */
  readonly direction: 'inbound' | 'outbound'
  /** Whether nothing at all has come from the peer lately, not even the signs of life that it owes when it is idle. */
  readonly silent: boolean
  /** The address (`host:port`) that this host found the peer at, when it dialled an address and not a peer. */
  readonly dialled?: string | undefined
  /** The IP address at the other end, where there is one. */
  readonly remote: string | undefined
  /** Whether the peer understands this: hosts of several versions work together. */
  speaks(name: Spoken): boolean
  /**
   * Sends, or drops: silently once the link is closed, counted when the peer does not understand it. Control messages
   * never wait behind pieces.
   */
  send(message: ControlMessage): void
  /** Asks and waits; refused as `unavailable` at once when the peer does not understand the question. Rejects `PEER_GONE` when the link ends, with the signal's reason when aborted or timed out. */
  call<N extends CallName>(name: N, args: CallArguments[N], signal: AbortSignal): Promise<CallResults[N]>
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
  /** The header is in: `piece`, of `length` bytes, will follow. Answers the buffer to fill (exactly `length` long), or undefined to refuse, which is a protocol error of the peer. */
  begin(piece: number, length: number): Uint8Array | undefined
  /** `received` of the bytes are in the buffer. Told in steps of 64 KiB or more. */
  progress(received: number): void
  end(): void
}

/** What the swarm tells its owner. Called synchronously, in order per link; must not throw. */
export interface SwarmEvents {
  linked(link: PeerLink): void
  unlinked(link: PeerLink): void
  message(link: PeerLink, message: ContentMessage): void
  /** A peer asks. The answer's promise must not reject; the signal aborts when the link ends. */
  call<N extends CallName>(
    link: PeerLink,
    name: N,
    args: CallArguments[N],
    signal: AbortSignal,
  ): Promise<CallResults[N]>
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
  /** Signs piece hashes; undefined when this host may not speak as a cache, or not any more. */
  readonly vouch:
    | ((blob: Digest, size: number, first: number, hashes: Uint8Array) => Uint8Array | undefined)
    | undefined
  /** Whether a cache that speaks for `region` (default: this host's) has signed the run. */
  vouched(blob: Digest, size: number, run: HashRun, region?: string): boolean
  /**
   * What the signature of a run that came over `link` is worth: `good` by a cache of one of the regions, `false` when it
   * proves that the peer breaks the protocol, `unknown` when it may be right for others or have been right.
   */
  judge(blob: Digest, size: number, run: HashRun, regions: readonly string[], link: PeerLink): Judgement
}
