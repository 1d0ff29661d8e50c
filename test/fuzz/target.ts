import type fc from 'fast-check'
import type { ErrorCode } from '../../src/base/errors.ts'

/** A parser of bytes that come from outside, and what it may do with them. */
export interface Target {
  /** What it reads, for the table. */
  readonly what: string
  /** Inputs near to those that it takes: most are taken or fail late. */
  readonly input: fc.Arbitrary<Uint8Array>
  /** Most of its time is the disk's: nothing is said of how long an input takes. */
  readonly isTimed?: false
  /** The codes it may refuse an input with; whatever else is thrown is a fault. */
  readonly refusals: readonly ErrorCode[]
  /**
   * Reads one input as the product does. Undefined, or a refusal: it was not taken. `scratch` is a directory of its own.
   * Throws an AssertionError for a result that must not be.
   */
  read(bytes: Uint8Array, scratch: string): unknown
}
