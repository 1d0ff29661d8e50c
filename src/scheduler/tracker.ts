import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { HandedOn } from './batches.ts'
import { Batches } from './batches.ts'
import type { LeecherEvent } from './leecher-types.ts'
import type { Member } from './neighbours.ts'
import { SwarmMembers } from './neighbours.ts'

/** A home signs the hashes of new pieces in runs: a signature per piece would cost more than the pieces. */
const HASH_BATCH_MS = 60
const HASH_BATCH_PIECES = 32
/** Pieces of one blob whose hashes are told at once, at a time. */
const URGENT_MOST = 256
/** A swarm nobody joined or was told about for this long is forgotten; its members find one another without it. */
const IDLE_MS = 10 * 60_000
const SWEEP_EVERY_MS = 30_000

/** What happens to the swarms that a host is home of. Blobs and peers are small integers. */
export type TrackerEvent =
  /** A host takes part, or asks for others again; `has`: pieces it may be asked for, if any. */
  | {
      readonly type: 'joined'
      readonly blob: number
      readonly peer: number
      readonly member: Member
      readonly has: ReadonlyBitfield | undefined
    }
  | { readonly type: 'left'; readonly blob: number; readonly peer: number }
  /** The link to a peer has ended. */
  | { readonly type: 'gone'; readonly peer: number }
  /** A piece is kept here. */
  | { readonly type: 'stored'; readonly blob: number; readonly piece: number }
  /** Somebody, here or at a member, waits for these pieces and for no others. */
  | { readonly type: 'urgent'; readonly blob: number; readonly first: number; readonly count: number }
  /** Nothing more comes: what waits to be told is told now. */
  | { readonly type: 'flush'; readonly blob: number }
  /** The whole is proven, and with it hashes that had only been said to this home. */
  | { readonly type: 'proven'; readonly blob: number }
  /** The blob is not fetched here any more. Its swarm goes on. */
  | { readonly type: 'stopped'; readonly blob: number }
  /** This home cannot get the rest: members keep what they have and look elsewhere. */
  | { readonly type: 'gaveUp'; readonly blob: number }
  /** The content turned out wrong: everybody starts over. */
  | { readonly type: 'dissolved'; readonly blob: number }
  | { readonly type: 'wake'; readonly blob: number; readonly turn: number }
  | { readonly type: 'tick' }

export type TrackerEffect =
  /** Tell a host whom it should meet, and how many take part. */
  | {
      readonly type: 'introduce'
      readonly blob: number
      readonly peer: number
      readonly peers: readonly number[]
      readonly members: number
    }
  /** Tell members the hashes of these pieces; of all there are, where `pieces` is undefined. */
  | {
      readonly type: 'tellHashes'
      readonly blob: number
      readonly pieces: readonly number[] | undefined
      readonly to: readonly number[]
    }
  | { readonly type: 'tellGaveUp'; readonly blob: number; readonly peer: number }
  | { readonly type: 'tellLeft'; readonly blob: number; readonly peer: number }
  /** What this host's leecher is to know of a member. */
  | { readonly type: 'leecher'; readonly event: LeecherEvent }
  /** Say `wake` with this turn after this long. */
  | { readonly type: 'wake'; readonly blob: number; readonly turn: number; readonly ms: number }

interface Tracked {
  readonly members: SwarmMembers
  /** By name: a host that has come back by another link is one member. */
  readonly peers: Map<string, number>
  usedAt: number
}

/**
 * A home's part in the swarms of its blobs: who takes part, who is introduced to whom, who is told which hashes when. Pure:
 * events and time in, effects out.
 */
export class Tracker {
  readonly #swarms = new Map<number, Tracked>()
  readonly #hashes = new Batches(HASH_BATCH_PIECES)
  readonly #urgent = new Map<number, Set<number>>()
  #sweptAt = 0

  members(blob: number): number[] {
    return [...(this.#swarms.get(blob)?.peers.values() ?? [])]
  }

  /** Takes one event and appends what is to be done. */
  on(event: TrackerEvent, now: number, out: TrackerEffect[]): void {
    switch (event.type) {
      case 'joined':
        return this.#joined(event, now, out)
      case 'left':
        return this.#left(event.blob, event.peer)
      case 'gone':
        for (const blob of [...this.#swarms.keys()]) this.#left(blob, event.peer)
        return
      case 'stored':
        return this.#stored(event.blob, event.piece, now, out)
      case 'urgent':
        return this.#hurry(event.blob, event.first, event.count)
      case 'flush':
        return this.#tell(event.blob, this.#hashes.flush(event.blob), now, out)
      case 'proven':
        return this.#tellMembers(event.blob, undefined, now, out)
      case 'stopped':
        this.#hashes.drop(event.blob)
        this.#urgent.delete(event.blob)
        return
      case 'gaveUp':
        return this.#end(event.blob, 'tellGaveUp', out)
      case 'dissolved':
        return this.#end(event.blob, 'tellLeft', out)
      case 'wake':
        return this.#tell(event.blob, this.#hashes.due(event.blob, event.turn), now, out)
      case 'tick':
        return this.#sweep(now)
      default:
        event satisfies never
    }
  }

  #joined(
    { blob, peer, member, has }: Extract<TrackerEvent, { type: 'joined' }>,
    now: number,
    out: TrackerEffect[],
  ): void {
    if (has !== undefined && has.count > 0) {
      const joined = { type: 'sourceJoined', source: peer, blob, kind: 'peer', distance: 0 } as const
      out.push({ type: 'leecher', event: joined })
      out.push({ type: 'leecher', event: { type: 'sourceBits', source: peer, blob, bits: has, queue: 0 } })
    }
    const swarm = this.#swarms.get(blob) ?? { members: new SwarmMembers(), peers: new Map(), usedAt: now }
    this.#swarms.set(blob, swarm)
    swarm.usedAt = now
    swarm.members.add(member)
    swarm.peers.set(member.id, peer)
    const peers = swarm.members.introduce(member.id).flatMap((id) => swarm.peers.get(id) ?? [])
    out.push({ type: 'introduce', blob, peer, peers, members: swarm.members.size })
  }

  /** A link that another of the same host has followed leaves nothing. */
  #left(blob: number, peer: number): void {
    const swarm = this.#swarms.get(blob)
    for (const [id, known] of swarm?.peers ?? []) {
      if (known !== peer) continue
      swarm!.peers.delete(id)
      swarm!.members.remove(id)
    }
    if (swarm?.peers.size === 0) this.#swarms.delete(blob)
  }

  /** Of content that is gone nothing more is told. */
  #end(blob: number, type: 'tellGaveUp' | 'tellLeft', out: TrackerEffect[]): void {
    for (const peer of this.members(blob)) out.push({ type, blob, peer })
    this.#swarms.delete(blob)
    this.#hashes.drop(blob)
  }

  #stored(blob: number, piece: number, now: number, out: TrackerEffect[]): void {
    if (this.#swarms.has(blob)) this.#tell(blob, this.#hashes.add(blob, piece), now, out)
    if (this.#urgent.get(blob)?.delete(piece) === true) this.#tell(blob, this.#hashes.flush(blob), now, out)
  }

  #hurry(blob: number, first: number, count: number): void {
    const urgent = this.#urgent.get(blob) ?? new Set()
    this.#urgent.set(blob, urgent)
    for (let i = 0; i < count && urgent.size < URGENT_MOST; i++) urgent.add(first + i)
  }

  #tell(blob: number, news: HandedOn | undefined, now: number, out: TrackerEffect[]): void {
    if (news === undefined) return
    out.push({ type: 'wake', blob, turn: news.turn, ms: HASH_BATCH_MS })
    this.#tellMembers(blob, news.pieces, now, out)
  }

  #tellMembers(blob: number, pieces: readonly number[] | undefined, now: number, out: TrackerEffect[]): void {
    const swarm = this.#swarms.get(blob)
    if (swarm === undefined) return
    swarm.usedAt = now
    out.push({ type: 'tellHashes', blob, pieces, to: [...swarm.peers.values()] })
  }

  #sweep(now: number): void {
    if (now - this.#sweptAt < SWEEP_EVERY_MS) return
    this.#sweptAt = now
    for (const [blob, swarm] of this.#swarms) if (now - swarm.usedAt > IDLE_MS) this.#swarms.delete(blob)
  }
}
