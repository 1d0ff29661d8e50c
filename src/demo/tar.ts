/** One member of a tar archive. `content` yields exactly `size` bytes. */
export type TarEntry =
  | { readonly kind: 'directory'; readonly path: string }
  | {
      readonly kind: 'file'
      readonly path: string
      readonly mode: number
      readonly size: number
      readonly content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
    }

export const TAR_BLOCK_BYTES = 512
/** Two empty blocks end an archive. */
export const TAR_END_BYTES = 2 * TAR_BLOCK_BYTES
/** Archives are the same at every build: no clock in them. */
const MODIFIED_AT_SECONDS = 1_577_836_800

/** A POSIX ustar archive as it is written, never whole in memory. Paths are relative and at most 100 bytes. */
export async function* tarArchive(entries: Iterable<TarEntry>): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    yield header(entry)
    if (entry.kind === 'directory') continue
    let written = 0
    for await (const chunk of entry.content) {
      written += chunk.length
      yield chunk
    }
    if (written !== entry.size)
      throw new RangeError(`${entry.path}: ${written} bytes came, ${entry.size} were announced`)
    const padding = (TAR_BLOCK_BYTES - (written % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES
    if (padding > 0) yield Buffer.alloc(padding)
  }
  yield Buffer.alloc(TAR_END_BYTES)
}

function header(entry: TarEntry): Uint8Array {
  const block = Buffer.alloc(TAR_BLOCK_BYTES)
  const path = entry.kind === 'directory' ? `${entry.path.replace(/\/$/, '')}/` : entry.path
  if (Buffer.byteLength(path) > 100) throw new RangeError(`too long for a ustar name: ${path}`)
  block.write(path, 0)
  block.write(octal(entry.kind === 'directory' ? 0o755 : entry.mode, 8), 100)
  block.write(octal(0, 8), 108)
  block.write(octal(0, 8), 116)
  block.write(octal(entry.kind === 'directory' ? 0 : entry.size, 12), 124)
  block.write(octal(MODIFIED_AT_SECONDS, 12), 136)
  block.write(entry.kind === 'directory' ? '5' : '0', 156)
  block.write('ustar\x0000', 257)
  // The checksum counts its own field as eight spaces.
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

function octal(value: number, fieldBytes: number): string {
  const digits = value.toString(8)
  if (digits.length > fieldBytes - 1) throw new RangeError(`${value} does not fit a tar header`)
  return `${digits.padStart(fieldBytes - 1, '0')}\0`
}
