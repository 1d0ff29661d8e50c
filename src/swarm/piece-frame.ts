/** id, piece, length: three u32, big endian. */
export const PIECE_HEADER_BYTES = 12

interface PieceHeader {
  readonly id: number
  readonly piece: number
  readonly length: number
}

export function encodePieceHeader(header: PieceHeader, into: Uint8Array): void {
  const view = new DataView(into.buffer, into.byteOffset, PIECE_HEADER_BYTES)
  view.setUint32(0, header.id)
  view.setUint32(4, header.piece)
  view.setUint32(8, header.length)
}

export function decodePieceHeader(from: Uint8Array): PieceHeader {
  const view = new DataView(from.buffer, from.byteOffset, PIECE_HEADER_BYTES)
  return { id: view.getUint32(0), piece: view.getUint32(4), length: view.getUint32(8) }
}
