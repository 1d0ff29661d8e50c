/** A peer's identity as proofs name it: its libp2p peer id as text. */
export type PeerName = string

/**
 * What this host may say to the fleet, and how it tells who may have said something. A statement is the canonical
 * bytes of what is said (`canonicalBytes`); a signature is opaque to all but this room, and at most
 * `MAX_SIGNATURE_BYTES` long. Whoever passes a statement on passes its signature on with it.
 */
export interface Trust {
  /** Whether this host may speak as a cache, so that `vouch` returns something. */
  readonly canVouch: boolean
  /** Signs a statement as a cache of this host's region; undefined when this host is no cache. */
  vouch(statement: Uint8Array): Uint8Array | undefined
  /** Whether a cache that may speak for `region` has signed the statement. */
  vouched(statement: Uint8Array, signature: Uint8Array, region: string): boolean
  /**
   * What a signature is worth that somebody hands on as a cache's of one of these regions. `cacheKeys`: what the cache keys
   * are called that he believes (`PeerInfo.cacheKeys`): one that is not known here may be the one.
   */
  judge(
    statement: Uint8Array,
    signature: Uint8Array,
    regions: readonly string[],
    cacheKeys?: readonly string[] | undefined,
  ): Judgement
  /** Whether this host holds an operator's credential of its own, so that `order` returns something. */
  readonly canOrder: boolean
  /** Signs a statement that acts on the fleet; undefined when this host may not. */
  order(statement: Uint8Array): Uint8Array | undefined
  /** Who has signed the statement, for people, if it is somebody who may act on the fleet. */
  ordered(statement: Uint8Array, signature: Uint8Array): string | undefined
}

/**
 * `good`: by a cache of one of the regions. `false`: not by whom it says it is. `unknown`: it may be right, but not here, or not
 * any more: of another region, ended, revoked, by an authority or key that this host does not have.
 */
export type Judgement = 'good' | 'false' | 'unknown'

/** The longest signature there is: what the wire bounds it by. */
export const MAX_SIGNATURE_BYTES = 2048
