/*
 * Moving blobs: the schedulers' decisions carried out with real links, origins and files.
 *
 *   transfers.ts      the room's face: open, join, messages of peers
 *   engine.ts         runs transfers: proof, other ways, ends (active.ts: the books of one)
 *   transfer.ts       one blob on its way: pieces, proof, who waits (hash-book.ts, prefix-digest.ts)
 *   router.ts         homes, tiers above, origin: whom to ask
 *   leecher-port.ts, seeder-port.ts, origin-port.ts   drive the schedulers with links and origins
 *   neighbourhood.ts  what neighbours tell each other (hash-intake.ts: which hashes are believed); home-desk.ts: what a home tells its members
 *   small-content.ts  a blob that needs no swarm (small-blob.ts: from the
 *   origin; small-blobs.ts: for many hosts that ask at once)
 */

export type { TransferDeps } from './deps.ts'
export type { ReceivedListener } from './metrics.ts'
export type { ReceivedFrom, Transfer, TransferRef } from './transfer.ts'
export { transferEnded } from './transfer-ended.ts'
export type { Opened, OpenRequest, TransferView } from './transfers.ts'
export { Transfers } from './transfers.ts'
