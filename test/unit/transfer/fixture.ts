import { systemClock } from '../../../src/base/clock.ts'
import type { PieceProofs } from '../../../src/piece/piece-proof.ts'
import { isProvenBy, ProofMaker, packedProofs } from '../../../src/piece/piece-proof.ts'
import type { PartialBlob } from '../../../src/store/index.ts'
import type { HashRun, Message, PeerInfo, PeerLink } from '../../../src/swarm/index.ts'
import { runOfProofs } from '../../../src/transfer/hash-run.ts'
import { PieceBuffers } from '../../../src/transfer/piece-buffers.ts'
import { Transfer } from '../../../src/transfer/transfer.ts'
import type { Said } from '../../support/said.ts'
import { said } from '../../support/said.ts'
import type { TestBlob } from '../store/store-fixture.ts'
import { allPieces, pieceOf, sha256 } from '../store/store-fixture.ts'

/** A link that nobody is behind: it keeps what was sent. */
export class SilentLink implements PeerLink {
  readonly silent = true
  readonly heardTimes = 0
  readonly hasRoom = true
  readonly peer: PeerInfo
  readonly direction = 'inbound'
  readonly remote: string | undefined = undefined
  readonly sent: Said[] = []
  readonly breaches: string[] = []

  constructor(key: string, zone: string | null = null, role: PeerInfo['role'] = 'agent') {
    this.peer = { key, addresses: [`${key}:7071`], role, region: 'test', zone }
  }

  speaks(): boolean {
    return true
  }

  send<B>({ name }: Message<B>, body: B): void {
    this.sent.push(said(name, body))
  }

  request(): Promise<never> {
    return Promise.reject(new Error('nobody answers'))
  }

  async sendPiece(): Promise<boolean> {
    return false
  }

  expect(): void {}
  forget(): void {}
  close(): void {}

  breach(problem: string): void {
    this.breaches.push(problem)
  }
}

export function transferOf(partial: PartialBlob): Transfer {
  return new Transfer(1, { upstream: 'up', repository: 'repo', digest: partial.layout.digest }, partial, {
    buffers: new PieceBuffers(0),
    clock: systemClock,
  })
}

/** Stores pieces as if they came from a source with hashes of that trust. */
export async function bring(
  transfer: Transfer,
  blob: TestBlob,
  pieces: Iterable<number>,
  trust: 'word' | 'vouched' | 'own',
): Promise<void> {
  for (const piece of pieces) {
    const bytes = pieceOf(blob, piece)
    const hash = sha256(bytes)
    if (trust === 'own') transfer.pieceHashes.setOwn(piece, hash)
    else transfer.pieceHashes.addRun({ first: piece, hashes: hash }, trust)
    await transfer.store(piece, bytes, hash)
  }
}

/** The links of a blob's pieces. */
export function linksOf(blob: TestBlob): PieceProofs {
  const maker = new ProofMaker(blob.layout)
  for (const piece of allPieces(blob)) maker.take(piece, pieceOf(blob, piece))
  return packedProofs(blob.layout, maker.packed)
}

/** A run of links, as a source says it. */
export function linkRun(links: PieceProofs, first: number, count: number): HashRun {
  return runOfProofs(
    first,
    Array.from({ length: count }, (_, i) => links(first + i)!),
  )
}

/** Stores pieces that a source has sent, compared with what the transfer expects of each; answers which were not that. */
export async function receive(transfer: Transfer, blob: TestBlob, pieces: Iterable<number>): Promise<number[]> {
  const refused: number[] = []
  for (const piece of pieces) {
    const expected = transfer.pieceHashes.hash(piece)
    const bytes = pieceOf(blob, piece)
    if (expected === undefined || !isProvenBy(expected, transfer.layout, piece, bytes)) refused.push(piece)
    else await transfer.store(piece, bytes, expected)
  }
  return refused
}

/** Carries the proof on as far as it goes. */
export function prove(transfer: Transfer): Promise<'proven' | 'corrupt' | 'partial'> {
  return transfer.prove(new Uint8Array(transfer.layout.pieceSize))
}
