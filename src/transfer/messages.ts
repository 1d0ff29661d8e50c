import { z } from 'zod'
import type { Shape } from '../base/shape.ts'
import type { Digest } from '../oci/digest.ts'
import type { BinaryLayout, BodyOf, Granted, Handlers, HashRun, PeerLink, ResponseTo } from '../swarm/index.ts'
import {
  bytes,
  defineMessages,
  defineRequests,
  digest,
  hashRuns,
  peers,
  pieceIndex,
  place,
  sizeBytes,
  u32,
  WIRE_LIMITS,
} from '../swarm/index.ts'
import type { Active } from './active.ts'
import type { Engine } from './engine.ts'
import type { Following } from './following.ts'
import { kindOfRun, kindsFor, unsigned } from './hash-run.ts'
import type { Opening } from './opening.ts'
import type { RangeStreams } from './range-streams.ts'
import { isStandIn } from './stand-ins.ts'

/*
 * What members of a blob's swarm say to each other. `id` names a request of whoever sent request or want; `queue`: pieces
 * that wait to be sent.
 */

const MAX_U32 = 0xffff_ffff
const MAX_PIECE = WIRE_LIMITS.pieces - 1

interface Have {
  readonly blob: Digest
  readonly queue: number
  readonly pieces: readonly number[]
}

const have: BinaryLayout<Have> = {
  tag: 1,
  write: ({ blob, queue, pieces }, to) => to.digest(blob).u32(queue).list(pieces, WIRE_LIMITS.haves),
  read: (from) => ({ blob: from.digest(), queue: from.u32(), pieces: from.list(0, WIRE_LIMITS.haves, MAX_PIECE) }),
}

interface PieceRequest {
  readonly id: number
  readonly blob: Digest
  readonly piece: number
  readonly background: boolean
}

const request: BinaryLayout<PieceRequest> = {
  tag: 2,
  write: ({ id, blob, piece, background }, to) => to.u32(id).digest(blob).u32(piece).flag(background),
  read: (from) => ({ id: from.u32(), blob: from.digest(), piece: from.u32(MAX_PIECE), background: from.flag() }),
}

interface Want {
  readonly blob: Digest
  readonly background: boolean
  readonly ids: readonly number[]
  readonly wanted: Uint8Array
}

const want: BinaryLayout<Want> = {
  tag: 3,
  write: ({ blob, background, ids, wanted }, to) =>
    to.digest(blob).flag(background).list(ids, WIRE_LIMITS.wants).bits(wanted),
  read: (from) => ({
    blob: from.digest(),
    background: from.flag(),
    ids: from.list(1, WIRE_LIMITS.wants, MAX_U32),
    wanted: from.bits(),
  }),
}

const cancel: BinaryLayout<{ readonly id: number }> = {
  tag: 4,
  write: ({ id }, to) => to.u32(id),
  read: (from) => ({ id: from.u32() }),
}

const busy: BinaryLayout<{ readonly id: number; readonly queue: number }> = {
  tag: 5,
  write: ({ id, queue }, to) => to.u32(id).u32(queue),
  read: (from) => ({ id: from.u32(), queue: from.u32() }),
}

/** Pieces that follow one another. */
const pieceRun = z.object({ first: pieceIndex, count: pieceIndex })
export type PieceRun = Shape<typeof pieceRun>

const bits = bytes(WIRE_LIMITS.bitsBytes)
const ofBlob = z.object({ blob: digest })

export const transferMessages = defineMessages('content', {
  bitfield: z.object({ blob: digest, size: sizeBytes, bits, queue: u32 }),
  have,
  hashes: z.object({ blob: digest, size: sizeBytes, runs: hashRuns }),
  request,
  /**
   * To a home only: "for each of these ids send me whichever piece you like" (super-seeding). Said again for ids that
   * still wait, with what is wanted by then.
   */
  want,
  /** To a home or a parent: somebody waits for these pieces and no others. They are asked for by `request`. */
  urgent: z.object({ blob: digest, first: pieceIndex, count: pieceIndex }),
  cancel,
  /** Will not send this now; ask elsewhere, or again later. */
  busy,
  /** Home to member: for a second this piece has been on its way to who asked by `id`, and it has not taken it. */
  begun: z.object({ id: u32, piece: pieceIndex }),
  /** The next bytes of a range that was asked for as a stream: its answer has those that are left then. */
  rangeBytes: z.object({ id: u32, bytes: bytes(WIRE_LIMITS.rangeBytes) }),
  /** The sender no longer takes part in this blob's swarm. */
  leave: ofBlob,
  /** The sender is no neighbour for this blob any more, or will not be: it is near to enough others. */
  part: ofBlob,
  /** Home to member: this home cannot get the rest. What came so far is right; ask elsewhere, or again later. */
  giveUp: ofBlob,
})

export const transferRequests = defineRequests({
  /** Take part in a blob's swarm, or get a small blob at once. */
  join: {
    body: z.object({
      ...place,
      digest,
      size: sizeBytes.optional(),
      /** Empty for a new leecher. */
      have: bits,
      /** Nobody waits for it. */
      background: z.boolean().optional(),
      /** Somebody waits for these pieces and no others. */
      awaits: pieceRun.optional(),
    }),
    response: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('inline'), bytes: bytes(WIRE_LIMITS.inlineBytes) }),
      /** `members`: how many there are; 0.1.0 reads no answer without it. */
      z.object({ kind: z.literal('swarm'), size: sizeBytes, peers, runs: hashRuns, members: u32 }),
    ]),
  },
  /** Some bytes of a blob, from `start` to before `end`, for who waits for no others. */
  range: {
    body: z.object({
      ...place,
      digest,
      size: sizeBytes,
      start: sizeBytes,
      end: sizeBytes,
      /** What is there before the answer may come as `rangeBytes` with this id. */
      stream: u32.optional(),
    }),
    /** All of it, but for what has come as `rangeBytes`. */
    response: z.object({ kind: z.literal('inline'), bytes: bytes(WIRE_LIMITS.rangeBytes) }),
  },
})

export type TransferMessage<N extends keyof typeof transferMessages> = BodyOf<(typeof transferMessages)[N]>
export type RangeRequest = BodyOf<typeof transferRequests.range>
export type RangeResponse = ResponseTo<typeof transferRequests.range>
export type JoinRequest = BodyOf<typeof transferRequests.join>
export type JoinResponse = ResponseTo<typeof transferRequests.join>
export type JoinedSwarm = Extract<Granted<typeof transferRequests.join>, { kind: 'swarm' }>

/** An Ed25519 signature by a fleet's cache key. */
const BARE_SIGNATURE_BYTES = 64

/** Runs as a peer takes them: links if it knows them; one that expects 64 bytes of signature still has the sender's word. */
export function readableRuns(link: PeerLink, runs: readonly HashRun[]): readonly HashRun[] {
  const kinds = kindsFor(link)
  const known = runs.filter((run) => kinds.includes(kindOfRun(run)))
  if (link.speaks('envelopes')) return known
  return known.map((run) => ((run.signature?.length ?? 0) > BARE_SIGNATURE_BYTES ? unsigned(run) : run))
}

export function tellHashes(link: PeerLink, blob: Digest, size: number, runs: readonly HashRun[]): void {
  link.send(transferMessages.hashes, { blob, size, runs: readableRuns(link, runs) })
}

interface Receiving {
  readonly engine: Engine
  readonly following: Following
  readonly opening: Opening
  readonly streams: RangeStreams
}

export function transferHandlers({
  engine,
  following,
  opening,
  streams,
}: Receiving): Handlers<typeof transferMessages> {
  const { actives, seeder, peers, leecher, tracker, hashes } = engine
  return {
    bitfield: (link, body) => peers.bitfield(actives.find(body.blob), link, body),
    have: (link, body) => peers.have(actives.find(body.blob), link, body),
    hashes(link, { blob, runs }) {
      for (const active of actives.of(blob)) hashes.take(active, link, runs)
    },
    request: (link, body) => seeder.request(link, body),
    want(link, body) {
      const active = actives.find(body.blob)
      if (active !== undefined) opening.wanted(active, body)
      seeder.want(link, body)
    },
    urgent: (_link, body) => following.urgent(body),
    cancel: (link, { id }) => seeder.cancel(link, id),
    busy: (link, { id, queue }) => leecher.busy(link, id, queue),
    begun: (link, { id, piece }) => leecher.begun(link, id, piece),
    rangeBytes: (link, { id, bytes: some }) => streams.came(link, id, some),
    leave(link, { blob }) {
      tracker.leave(blob, link)
      for (const active of actives.of(blob)) left(engine, active, link)
    },
    part(link, { blob }) {
      for (const active of actives.of(blob)) peers.lost(active, link, 'parted')
    },
    giveUp(link, { blob }) {
      for (const active of actives.of(blob)) if (active.home === link) engine.homeGaveUp(active)
    },
  }
}

function left(engine: Engine, active: Active, link: PeerLink): void {
  active.release(link)
  engine.misconduct.left(active.transfer, link)
  // a member's word drops nothing: what is wrong of what has come, the digest will tell
  if (active.home === link && isStandIn(link)) engine.homeGaveUp(active)
  else if (active.home === link) engine.homeStartsOver(active)
  else engine.peers.lost(active, link, 'left')
}
