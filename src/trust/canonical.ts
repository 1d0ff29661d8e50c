/**
 * One unambiguous byte string for a label and its parts: every part is preceded by its length (u32, big endian), so
 * that no two different lists of parts encode alike. What proofs and signatures are made over.
 */
export function canonicalBytes(label: string, ...parts: readonly (string | number | Uint8Array)[]): Uint8Array {
  const encoded: Buffer[] = []
  for (const part of [label, ...parts]) {
    const bytes = partBytes(part)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    encoded.push(length, bytes)
  }
  return Buffer.concat(encoded)
}

/** Text as UTF-8, a number as u64 big endian, bytes as they are. */
function partBytes(part: string | number | Uint8Array): Buffer {
  if (typeof part === 'string') return Buffer.from(part, 'utf8')
  if (typeof part === 'number') {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64BE(BigInt(part))
    return bytes
  }
  return Buffer.from(part.buffer, part.byteOffset, part.byteLength)
}
