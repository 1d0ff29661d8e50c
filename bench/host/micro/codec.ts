import type { Digest } from '../../../src/oci/digest.ts'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import type { ControlMessage } from '../../../src/swarm/index.ts'
import { decodePieceHeader, encodePieceHeader, PIECE_HEADER_BYTES } from '../../../src/swarm/piece-frame.ts'
import { decodeFrame, encodeFrame } from '../../../src/swarm/wire.ts'
import type { MicroResult } from '../tasks.ts'
import { sample } from './sample.ts'

const LENGTH_BYTES = 4
const PIECES = 512
const BLOB = `sha256:${'5a'.repeat(32)}` as Digest

/** The messages a host sends most, there and back. */
export function codecResults(): MicroResult[] {
  const messages: readonly ControlMessage[] = [
    { type: 'have', blob: BLOB, pieces: [17], queue: 2 },
    { type: 'request', id: 4_711, blob: BLOB, piece: 300, background: false },
    { type: 'want', ids: [4_711, 4_712], blob: BLOB, background: false, wanted: Bitfield.full(PIECES).toBytes() },
  ]
  const frames = messages.map((message) =>
    sample({ subject: `${message.type} encoded and decoded`, operations: 1 }, () => {
      decodeFrame(encodeFrame({ frame: 'message', message }).subarray(LENGTH_BYTES))
    }),
  )
  const header = new Uint8Array(PIECE_HEADER_BYTES)
  let sum = 0
  const headers = sample({ subject: 'piece header encoded and decoded', operations: 100 }, () => {
    for (let id = 0; id < 100; id++) {
      encodePieceHeader({ id, piece: id, length: 1024 }, header)
      sum += decodePieceHeader(header).piece
    }
  })
  // never: but what nobody looks at would be compiled away
  return sum < 0 ? [] : [...frames, headers]
}
