/**
 * Every failure Shoal names. The servers map codes to HTTP and exit codes; nothing matches on messages.
 *
 * - `CONFIG_INVALID`: a key, flag or file the user gave is wrong (exit 2).
 * - `DIGEST_INVALID`, `NAME_INVALID`, `REFERENCE_INVALID`, `MANIFEST_INVALID`: input outside its grammar.
 * - `ORIGIN_UNREACHABLE`: no usable answer (network, 5xx, timeout); another origin or a stale answer may do.
 * - `ORIGIN_THROTTLED`: the origin asked for less (429/503).
 * - `ORIGIN_DENIED`: the origin refuses these credentials (401/403).
 * - `ORIGIN_UNKNOWN`: every origin says that it does not have this content.
 * - `ORIGIN_CHANGED`: the bytes or size are not what was announced.
 * - `CONTENT_CORRUPT`: bytes that do not match their digest or piece hash.
 * - `STORE_DISK_FULL`, `STORE_FAILED`: the local disk.
 * - `STORE_CORRUPT`: the local disk changed bytes it was given. They are dropped and can be had again elsewhere.
 * - `PEER_GONE`, `PEER_PROTOCOL`, `PEER_REFUSED`: a link ended, a peer broke the protocol, membership was not proven.
 * - `PREWARM_INVALID`, `PREWARM_IMPOSSIBLE`, `PREWARM_UNKNOWN`: a job asked for wrongly (exit 2), one that could not do what
 *   is asked (no such image, no host), no such job.
 * - `ORDER_REQUIRED`: what acts on the fleet came without the order of somebody who may (exit 2).
 * - `SETUP_REFUSED`: a container runtime's files are such that changing them could break or lose something.
 * - `UNAVAILABLE`: nobody reachable can give it now.
 */
export type ErrorCode =
  | 'CONFIG_INVALID'
  | 'DIGEST_INVALID'
  | 'NAME_INVALID'
  | 'REFERENCE_INVALID'
  | 'MANIFEST_INVALID'
  | 'ORIGIN_UNREACHABLE'
  | 'ORIGIN_THROTTLED'
  | 'ORIGIN_DENIED'
  | 'ORIGIN_UNKNOWN'
  | 'ORIGIN_CHANGED'
  | 'CONTENT_CORRUPT'
  | 'STORE_DISK_FULL'
  | 'STORE_FAILED'
  | 'STORE_CORRUPT'
  | 'PEER_GONE'
  | 'PEER_PROTOCOL'
  | 'PEER_REFUSED'
  | 'PREWARM_INVALID'
  | 'PREWARM_IMPOSSIBLE'
  | 'PREWARM_UNKNOWN'
  | 'ORDER_REQUIRED'
  | 'SETUP_REFUSED'
  | 'UNAVAILABLE'

/** The one error class. `details` is for logs and JSON: plain data, no secrets. */
export class ShoalError extends Error {
  override readonly name = 'ShoalError'
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: { details?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
  }
}

/** Whether `error` is a ShoalError, of one of `codes` if any are given. */
export function isShoalError(error: unknown, ...codes: ErrorCode[]): error is ShoalError {
  return error instanceof ShoalError && (codes.length === 0 || codes.includes(error.code))
}

/** A one-line text for logs and users, whatever was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
