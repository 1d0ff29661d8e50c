/*
 * Moving blobs: the schedulers' decisions carried out with real links, origins and files.
 *
 *   transfers.ts      the room's face
 *   opening.ts        a reader wants a blob (windows.ts: one that cannot be stored; following.ts: where readers are)
 *   messages.ts, joins.ts   what peers say, and whom here it concerns; what hosts are answered that want to take part
 *   engine.ts         runs transfers: one switch over all that is to be done about them (engine-effect.ts)
 *   leecher-port.ts, seeder-port.ts, tracker-port.ts, peer-set-port.ts, origin-port.ts   drive the machines of src/scheduler
 *   failover.ts       to the content, and to another way when one is lost (source-picker.ts: homes, tiers above, origin)
 *   proving.ts, start-over.ts, endings.ts   a whole is proven, or wrong; a transfer ends
 *   transfer.ts       one blob on its way: pieces, proof, who waits (piece-hashes.ts over proof-set.ts, kept-proofs.ts,
 *                     prefix-digest.ts)
 *   hash-exchange.ts  what is said about the hashes of pieces (hash-run.ts: in runs; hash-intake.ts: which are believed)
 *   small-content.ts  a blob that needs no swarm (small-blob.ts: from the origin; small-blobs.ts: for many hosts that ask at
 *                     once); ranges.ts: a small part of one that comes by
 *                     itself (arriving-range.ts: as it comes; range-streams.ts: from peers)
 *   actives.ts, active.ts   the transfers under way (id-map.ts, lifetime.ts); transfer-ended.ts waits for one
 *   holders.ts, stand-ins.ts, group-of.ts, misconduct.ts   hosts of which something is known
 *   origin-limits.ts, range-limits.ts, allowance.ts, right-of.ts   what may be read of origins, and for whom
 *   piece-cutter.ts, piece-buffers.ts, half-pieces.ts, shared-window.ts   bytes on their way; handed-out.ts, whole-proof.ts: what
 *                     readers had, and whether it was right
 *   hash-archive.ts, part-ends.ts, pieces-behind.ts, recent-failures.ts   what is remembered for a while
 *   interface.ts      a transfer as other rooms see it        deps.ts, metrics.ts
 */

export { awaitedBy } from './following.ts'
export type { OpenedForReading as Opened, ReadTransfer as Transfer } from './interface.ts'
export type { JoinRequest, JoinResponse, RangeRequest, RangeResponse, TransferMessage } from './messages.ts'
export { transferMessages, transferRequests } from './messages.ts'
export type { OpenRequest } from './opening.ts'
export type { FoundRange } from './ranges.ts'
export { fetchSmall } from './small-blob.ts'
export { transferEnded } from './transfer-ended.ts'
export type { TransferView } from './transfers.ts'
export { Transfers } from './transfers.ts'
