import type { Transform } from 'node:stream'
import { pipeline, Readable } from 'node:stream'
import { promisify } from 'node:util'
import {
  brotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  gunzip,
  inflate,
  zstdDecompress,
} from 'node:zlib'
import { parseJson } from '../base/json.ts'

/*
 * Content encodings (RFC 9110 section 8.4) that registries and what stands before them send although none was accepted, as
 * containerd and Go's clients read them.
 */

interface Decoder {
  readonly whole: (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Uint8Array>
  readonly stream: () => Transform
}

const GZIP: Decoder = { whole: promisify(gunzip), stream: createGunzip }
const DECODERS: ReadonlyMap<string, Decoder> = new Map([
  ['gzip', GZIP],
  ['x-gzip', GZIP],
  ['deflate', { whole: promisify(inflate), stream: createInflate }],
  ['br', { whole: promisify(brotliDecompress), stream: createBrotliDecompress }],
  ['zstd', { whole: promisify(zstdDecompress), stream: createZstdDecompress }],
])

/** An encoding that has been applied, in lower case; undefined for none. */
export function encodingOf(header: string | undefined): string | undefined {
  const name = header?.trim().toLowerCase() ?? ''
  return name === '' || name === 'identity' ? undefined : name
}

export function isKnownEncoding(name: string): boolean {
  return DECODERS.has(name)
}

/** A JSON document without its encoding; as it is where it only says that it has one. */
export async function plainDocument(
  bytes: Uint8Array,
  encoding: string | undefined,
  maxBytes: number,
): Promise<Uint8Array | 'too large'> {
  const decoder = encoding === undefined ? undefined : DECODERS.get(encoding)
  if (decoder === undefined || parseJson(bytes) !== undefined) return bytes
  try {
    return await decoder.whole(bytes, { maxOutputLength: maxBytes })
  } catch (error) {
    return error instanceof RangeError ? 'too large' : bytes
  }
}

/** A body without its encoding; throws the decoder's error when it has another one. */
export function plainChunks(chunks: AsyncIterable<Uint8Array>, encoding: string): AsyncIterable<Uint8Array> {
  const decoder = DECODERS.get(encoding)
  if (decoder === undefined) return chunks
  const plain = decoder.stream()
  // its error is the reader's to see
  pipeline(Readable.from(chunks), plain, () => {})
  return plain
}
