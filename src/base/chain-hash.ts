import { createHash } from 'node:crypto'
import { _SHA256 } from '@noble/hashes/sha2.js'

/** A state: its eight words, each big-endian, so that the state after the padding is the digest as it is written. */
export const STATE_BYTES = 32
const BLOCK_BYTES = 64
/** OpenSSL's SHA256_CTX has 112 bytes (eight words first); the rest is spare. */
const CONTEXT_BYTES = 256
/** Lengths about the edges of blocks and of their padding. */
const CHECKED_LENGTHS = [0, 1, 55, 56, 63, 64, 65, 119, 128, 1000] as const

/** The state after `blocks` (whole ones, at least one), given the state before them. */
type Compress = (state: Uint8Array, blocks: Uint8Array) => Uint8Array

/**
 * SHA-256 as the chain that it is (FIPS 180-4, 6.2.2): bytes lead from one state to the next, and the last state, with the
 * padding, is the digest. So parts can be compressed in any order by whoever knows the states between them.
 */
export class ChainHash {
  /** The state before the first byte (FIPS 180-4, 5.3.3). Not to be changed, as no state is. */
  readonly start: Uint8Array = Buffer.from('6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19', 'hex')
  /** Whether it costs what `createHash` does. */
  readonly isFast: boolean
  readonly #compress: Compress

  constructor(compress: Compress, isFast: boolean) {
    this.#compress = compress
    this.isFast = isFast
  }

  /** The state after `bytes`, which are whole blocks of 64 bytes. Throws `RangeError` for others. */
  advance(state: Uint8Array, bytes: Uint8Array): Uint8Array {
    if (bytes.length % BLOCK_BYTES !== 0) throw new RangeError(`${bytes.length} bytes are no whole blocks`)
    return bytes.length === 0 ? state : this.#compress(state, bytes)
  }

  /** The digest of `totalBytes`, given the state before the last of them, `bytes`. */
  digest(state: Uint8Array, bytes: Uint8Array, totalBytes: number): Uint8Array {
    const whole = bytes.length - (bytes.length % BLOCK_BYTES)
    const rest = bytes.subarray(whole)
    const last = Buffer.alloc(rest.length + 9 > BLOCK_BYTES ? 2 * BLOCK_BYTES : BLOCK_BYTES)
    last.set(rest)
    last[rest.length] = 0x80
    last.writeBigUInt64BE(BigInt(totalBytes) * 8n, last.length - 8)
    return this.#compress(this.advance(state, bytes.subarray(0, whole)), last)
  }
}

/** By the OpenSSL inside Node, where this Node can call it (`node:ffi`, experimental) and it proves right. */
export function nativeChainHash(): ChainHash | undefined {
  try {
    const ffi = quietly(() => process.getBuiltinModule('node:ffi'))
    if (ffi === undefined) return undefined
    const { functions } = ffi.dlopen(null, {
      SHA256_Init: { return: 'int32', arguments: ['buffer'] },
      SHA256_Update: { return: 'int32', arguments: ['buffer', 'buffer', 'uint64'] },
    })
    const context = new Uint8Array(CONTEXT_BYTES)
    const words = new Uint32Array(context.buffer, 0, STATE_BYTES / 4)
    const hash = new ChainHash((state, blocks) => {
      functions.SHA256_Init(context)
      wordsOf(state, words)
      functions.SHA256_Update(context, blocks, BigInt(blocks.length))
      return stateOf(words)
    }, true)
    return isRight(hash) ? hash : undefined
  } catch {
    return undefined
  }
}

/** In JavaScript, everywhere, at some ten times the CPU. */
export function portableChainHash(): ChainHash {
  const hash = new LoadedHash()
  return new ChainHash((state, blocks) => hash.compress(state, blocks), false)
}

class LoadedHash extends _SHA256 {
  readonly #words = new Uint32Array(STATE_BYTES / 4)

  compress(state: Uint8Array, blocks: Uint8Array): Uint8Array {
    wordsOf(state, this.#words)
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = this.#words
    this.set(a, b, c, d, e, f, g, h)
    this.update(blocks)
    this.#words.set(this.get())
    return stateOf(this.#words)
  }
}

function wordsOf(state: Uint8Array, words: Uint32Array): void {
  const view = new DataView(state.buffer, state.byteOffset, STATE_BYTES)
  for (let i = 0; i < words.length; i++) words[i] = view.getUint32(i * 4)
}

function stateOf(words: Uint32Array): Uint8Array {
  const state = new Uint8Array(STATE_BYTES)
  const view = new DataView(state.buffer)
  for (const [i, word] of words.entries()) view.setUint32(i * 4, word)
  return state
}

/** A context that is laid out otherwise than it is known to be here gives other digests than Node itself. */
function isRight(hash: ChainHash): boolean {
  return CHECKED_LENGTHS.every((length) => {
    const bytes = Buffer.alloc(length, `chain ${length}`)
    return createHash('sha256')
      .update(bytes)
      .digest()
      .equals(hash.digest(hash.start, bytes, length))
  })
}

/** Without the warning that something is experimental, which would be the first line of every log. */
function quietly<T>(work: () => T): T {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return work()
  } finally {
    process.emitWarning = emitWarning
  }
}

/** The one of this process. */
export const chainHash: ChainHash = nativeChainHash() ?? portableChainHash()
