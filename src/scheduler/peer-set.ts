import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import { Bitfield } from '../piece/bitfield.ts'
import type { HandedOn } from './batches.ts'
import { Batches } from './batches.ts'
import type { LeecherEvent } from './leecher-types.ts'
import type { Place } from './nearness.ts'
import { oneTooMany } from './nearness.ts'

/** Haves: a lag of one piece time costs 2 %, one of six (10 ms, or 8 pieces, at 10 Gb/s) 8 %. */
const HAVE_BATCH_MS = 4
const HAVE_BATCH_PIECES = 2
/** How much farther a host in another zone is, in pieces waiting in its queue. */
const OTHER_ZONE_DISTANCE = 3

/** What happens between a host and those it shares blobs with. Blobs and peers are small integers. */
export type PeerSetEvent =
  /** The blob is fetched here and others may take part; `have` is read live. */
  | { readonly type: 'blobAdded'; readonly blob: number; readonly have: ReadonlyBitfield; readonly self: Place }
  /** It is not fetched any more: because it is here, or, where neighbours are to look elsewhere, `leaves`. */
  | { readonly type: 'blobRemoved'; readonly blob: number; readonly leaves: boolean }
  /** A host that this one was introduced to has been reached. */
  | { readonly type: 'met'; readonly blob: number; readonly peer: number; readonly place: Place }
  /** A peer says what it has, for the first time or again. */
  | {
      readonly type: 'bits'
      readonly blob: number
      readonly peer: number
      readonly place: Place
      readonly bits: ReadonlyBitfield
      readonly queue: number
    }
  | {
      readonly type: 'have'
      readonly blob: number
      readonly peer: number
      readonly pieces: readonly number[]
      readonly queue: number
    }
  /** A peer has nearer neighbours than this host. */
  | { readonly type: 'parted'; readonly blob: number; readonly peer: number }
  /** A peer, neighbour or not, does not serve this blob any more. */
  | { readonly type: 'left'; readonly blob: number; readonly peer: number }
  /** A peer sent wrong bytes: it is no neighbour of this blob again. */
  | { readonly type: 'lied'; readonly blob: number; readonly peer: number }
  /** The link to a peer has ended. */
  | { readonly type: 'gone'; readonly peer: number }
  /** A piece is kept here. */
  | { readonly type: 'stored'; readonly blob: number; readonly piece: number }
  /** Nothing more comes: what waits to be told is told now. */
  | { readonly type: 'flush'; readonly blob: number }
  | { readonly type: 'wake'; readonly blob: number; readonly turn: number }

export type PeerSetEffect =
  /** Tell a peer all that this host has: from now on they are neighbours. */
  | { readonly type: 'tellBits'; readonly blob: number; readonly peer: number }
  | { readonly type: 'tellHave'; readonly blob: number; readonly peer: number; readonly pieces: readonly number[] }
  /** Tell a peer that it is no neighbour any more. */
  | { readonly type: 'part'; readonly blob: number; readonly peer: number }
  /** Tell a peer that there is nothing to be had here. */
  | { readonly type: 'leave'; readonly blob: number; readonly peer: number }
  /** What this host's leecher is to know. */
  | { readonly type: 'leecher'; readonly event: LeecherEvent }
  /** Say `wake` with this turn after this long. */
  | { readonly type: 'wake'; readonly blob: number; readonly turn: number; readonly ms: number }

interface Neighbour extends Place {
  readonly peer: number
  /** What it is known to have: that need not be told to it. */
  has: Bitfield
}

interface SharedBlob {
  readonly have: ReadonlyBitfield
  readonly self: Place
  readonly neighbours: Map<number, Neighbour>
  readonly liars: Set<number>
}

/**
 * The hosts that this one exchanges pieces with, blob by blob: who becomes a neighbour and who is given up for a nearer one,
 * and which of them is told what when. Pure: events in, effects out.
 */
export class PeerSet {
  readonly #blobs = new Map<number, SharedBlob>()
  readonly #haves = new Batches(HAVE_BATCH_PIECES)

  /** Neighbours of a blob. */
  size(blob: number): number {
    return this.#blobs.get(blob)?.neighbours.size ?? 0
  }

  /** Takes one event and appends what is to be done. Never throws for what a remote may cause. */
  on(event: PeerSetEvent, out: PeerSetEffect[]): void {
    switch (event.type) {
      case 'blobAdded':
        this.#blobs.set(event.blob, { ...event, neighbours: new Map(), liars: new Set() })
        return
      case 'blobRemoved':
        return this.#remove(event.blob, event.leaves, out)
      case 'met':
        if (this.#keeps(event, out)) this.#introduce(event, out)
        return
      case 'bits':
        return this.#hear(event, out)
      case 'have':
        return this.#heard(event, out)
      case 'parted':
        return this.#part(event.blob, event.peer, out)
      case 'left':
        this.#blobs.get(event.blob)?.neighbours.delete(event.peer)
        out.push(leftBy(event.peer, event.blob))
        return
      case 'lied':
        this.#blobs.get(event.blob)?.liars.add(event.peer)
        this.#part(event.blob, event.peer, out)
        out.push({ type: 'part', blob: event.blob, peer: event.peer })
        return
      case 'gone':
        for (const { neighbours } of this.#blobs.values()) neighbours.delete(event.peer)
        out.push(leftBy(event.peer, undefined))
        return
      case 'stored':
        if (this.size(event.blob) > 0) this.#tell(event.blob, this.#haves.add(event.blob, event.piece), out)
        return
      case 'flush':
        return this.#tell(event.blob, this.#haves.flush(event.blob), out)
      case 'wake':
        return this.#tell(event.blob, this.#haves.due(event.blob, event.turn), out)
      default:
        event satisfies never
    }
  }

  #remove(blob: number, leaves: boolean, out: PeerSetEffect[]): void {
    const shared = this.#blobs.get(blob)
    if (leaves) for (const peer of shared?.neighbours.keys() ?? []) out.push({ type: 'leave', blob, peer })
    this.#blobs.delete(blob)
    this.#haves.drop(blob)
  }

  /** A peer says what it has: answered in kind, unless it has been told already or is to be no neighbour. */
  #hear(event: Extract<PeerSetEvent, { type: 'bits' }>, out: PeerSetEffect[]): void {
    const { blob, peer, bits, queue } = event
    // silence would keep it waiting for what is not fetched here
    if (!this.#blobs.has(blob)) out.push({ type: 'leave', blob, peer })
    if (!this.#keeps(event, out)) return
    this.#introduce(event, out)
    this.#blobs.get(blob)!.neighbours.get(peer)!.has = Bitfield.copyOf(bits)
    out.push({ type: 'leecher', event: { type: 'sourceBits', source: peer, blob, bits, queue } })
  }

  #heard({ blob, peer, pieces, queue }: Extract<PeerSetEvent, { type: 'have' }>, out: PeerSetEffect[]): void {
    const neighbour = this.#blobs.get(blob)?.neighbours.get(peer)
    if (neighbour === undefined) return
    for (const piece of pieces) neighbour.has.set(piece)
    out.push({ type: 'leecher', event: { type: 'sourceHas', source: peer, blob, pieces, queue } })
  }

  /** Whether a peer is, or may become, a neighbour; of too many parts with the one that is farthest. */
  #keeps({ blob, peer, place }: { blob: number; peer: number; place: Place }, out: PeerSetEffect[]): boolean {
    const shared = this.#blobs.get(blob)
    if (shared === undefined || shared.liars.has(peer)) return false
    if (shared.neighbours.has(peer)) return true
    const newcomer = { ...place, peer }
    const excess = oneTooMany<Place & { readonly peer: number }>(shared.self, [...shared.neighbours.values(), newcomer])
    if (excess === undefined) return true
    this.#part(blob, excess.peer, out)
    out.push({ type: 'part', blob, peer: excess.peer })
    return excess !== newcomer
  }

  #introduce({ blob, peer, place }: { blob: number; peer: number; place: Place }, out: PeerSetEffect[]): void {
    const { neighbours, have, self } = this.#blobs.get(blob)!
    if (neighbours.has(peer)) return
    const { zone, hash, group } = place
    neighbours.set(peer, { peer, zone, hash, group, has: new Bitfield(have.length) })
    const distance = zone === self.zone ? 0 : OTHER_ZONE_DISTANCE
    out.push({ type: 'leecher', event: { type: 'sourceJoined', source: peer, blob, kind: 'peer', distance } })
    out.push({ type: 'tellBits', blob, peer })
  }

  #part(blob: number, peer: number, out: PeerSetEffect[]): void {
    if (this.#blobs.get(blob)?.neighbours.delete(peer) === true) out.push(leftBy(peer, blob))
  }

  /** Nobody is told of a piece that it is known to have. */
  #tell(blob: number, news: HandedOn | undefined, out: PeerSetEffect[]): void {
    if (news === undefined) return
    out.push({ type: 'wake', blob, turn: news.turn, ms: HAVE_BATCH_MS })
    for (const { peer, has } of this.#blobs.get(blob)?.neighbours.values() ?? []) {
      const pieces = lacking(has, news.pieces)
      if (pieces.length > 0) out.push({ type: 'tellHave', blob, peer, pieces })
    }
  }
}

/**
 * What a host that has a whole blob tells a peer that says what it has of it: everything, or nothing to one that has
 * everything, too: two of these would answer each other for ever. A host without the blob has nothing to offer.
 */
export function answerOfWhole(isHere: boolean, bits: ReadonlyBitfield | undefined): 'tellBits' | 'leave' | 'nothing' {
  if (!isHere) return 'leave'
  return bits === undefined || bits.complete ? 'nothing' : 'tellBits'
}

/** Which of `pieces` are not in `has`: mostly all, as those of whom they come tell of them, too. */
function lacking(has: ReadonlyBitfield, pieces: readonly number[]): readonly number[] {
  for (const piece of pieces) if (has.has(piece)) return pieces.filter((other) => !has.has(other))
  return pieces
}

function leftBy(source: number, blob: number | undefined): PeerSetEffect {
  return { type: 'leecher', event: { type: 'sourceLeft', source, blob } }
}
