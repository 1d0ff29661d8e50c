import { MAX_ADDRESSES } from '../base/address.ts'
import { MAX_MANIFEST_BYTES } from '../oci/manifest.ts'

/**
 * What a hello says. Additions are negotiated by name (speech.ts) and leave it as it is; it is raised when an old host
 * would misread a new one in what is not negotiated, and then the range keeps the versions that are spoken still.
 */
export const PROTOCOL_VERSION = 3
export const PROTOCOL_VERSIONS = { min: 3, max: 3 } as const
export const CONTROL_PROTOCOL = `/shoal/control/${PROTOCOL_VERSION}`
export const PIECES_PROTOCOL = `/shoal/pieces/${PROTOCOL_VERSION}`

/** A manifest of the largest size, and what stands around it. */
export const MAX_FRAME_BYTES = 5 * 1024 * 1024
/** Before a peer has proven anything it may not make us hold more than this. */
export const MAX_HANDSHAKE_FRAME_BYTES = 8 * 1024

/** Twice what a blob has here: older hosts cut those above 256 GiB smaller. */
const MAX_WIRE_PIECES = 262_144

/** What bounds every array, string and byte string of a frame. */
export const WIRE_LIMITS = {
  bitsBytes: MAX_WIRE_PIECES / 8,
  pieces: MAX_WIRE_PIECES,
  haves: 4096,
  wants: 32,
  runs: 4096,
  hashesBytes: 4 * 1024 * 1024,
  peers: 64,
  addresses: MAX_ADDRESSES,
  text: 512,
  orderText: 4096,
  name: 255,
  spoken: 256,
  revocations: 8,
  cacheKeys: 8,
  tags: 10_000,
  inlineBytes: 4 * 1024 * 1024,
  rangeBytes: 128 * 1024,
  manifestBytes: MAX_MANIFEST_BYTES,
  letterBytes: 4 * 1024 * 1024,
} as const

/** The largest piece a piece channel carries. */
export const MAX_WIRE_PIECE_BYTES = 4 * 1024 * 1024

/** What both ends of a TLS piece connection agree on. */
export const PIECE_TLS = {
  alpn: `shoal-pieces/${PROTOCOL_VERSION}`,
  fingerprintBytes: 32,
  tokenBytes: 16,
  /** The first byte of the side that was connected to: it knows the token. */
  accepted: 0x06,
  /** What a reader may let be under way. */
  maxWindowBytes: 64 * 1024 * 1024,
  /** The reader's control stream comes in chunks of at most this, which may stand between it and its credit. */
  maxChunkBytes: 64 * 1024,
  /** RFC 8446 section 5.5 allows 2^24.5 records under one AES-GCM key, and each way has its own; a connection ends well before. */
  maxBytes: 2 ** 37,
} as const
