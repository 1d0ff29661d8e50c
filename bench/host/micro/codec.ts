import type { Digest } from '../../../src/oci/digest.ts'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import type { Message } from '../../../src/swarm/index.ts'
import { decodePieceHeader, encodePieceHeader, PIECE_HEADER_BYTES } from '../../../src/swarm/piece-frame.ts'
import { Vocabulary } from '../../../src/swarm/vocabulary.ts'
import type { MessageFrame } from '../../../src/swarm/wire.ts'
import { decodeFrame, encodeFrame } from '../../../src/swarm/wire.ts'
import { transferMessages } from '../../../src/transfer/index.ts'
import type { MicroResult } from '../tasks.ts'
import { sample } from './sample.ts'

const LENGTH_BYTES = 4
const PIECES = 512
const BLOB = `sha256:${'5a'.repeat(32)}` as Digest

const vocabulary = new Vocabulary(transferMessages)

function frame<B>(message: Message<B>, body: B): MessageFrame {
  return { frame: 'message', message, body }
}

/** The messages a host sends most, there and back. */
export function codecResults(): MicroResult[] {
  const have = frame(transferMessages.have, { blob: BLOB, pieces: [17], queue: 2 })
  const request = frame(transferMessages.request, { id: 4_711, blob: BLOB, piece: 300, background: false })
  const wanted = Bitfield.full(PIECES).toBytes()
  const want = frame(transferMessages.want, { ids: [4_711, 4_712], blob: BLOB, background: false, wanted })
  const frames = [have, request, want].map((message) =>
    sample({ subject: `${message.message.name} encoded and decoded`, operations: 1 }, () => {
      decodeFrame(encodeFrame(message).subarray(LENGTH_BYTES), vocabulary)
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
