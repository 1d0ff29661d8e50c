import type { ByteRange } from '../piece/piece-layout.ts'

/**
 * The little that the Distribution layout asks of a bucket or a directory. Paths are relative, with slashes, made by
 * distribution-layout.ts only. Missing objects are `undefined`; all else that fails is a ShoalError `ORIGIN_*`.
 */
export interface ObjectReader extends AsyncDisposable {
  readonly kind: 's3' | 'directory'
  readonly label: string
  /** A whole object of at most `maxBytes`. With `etag`, 'unchanged' when the object still has it. */
  small(path: string, options: SmallObjectQuery): Promise<SmallObject | 'unchanged' | 'too large' | undefined>
  /** The object's size in bytes. */
  size(path: string, signal: AbortSignal): Promise<number | undefined>
  /** A non-empty range, exactly, or an error. `ORIGIN_CHANGED` when the object is not `size` bytes long. */
  range(path: string, query: ObjectRangeQuery): Promise<AsyncIterable<Uint8Array> | undefined>
  /** The folders directly in `path`, in lexical order; undefined when there are none at all. */
  folders(path: string, query: FolderQuery): Promise<FolderPage | undefined>
  /** Why it can hold nothing of a registry's, with the remedy; undefined when it does, or when nothing has been pushed yet. */
  misplaced(signal: AbortSignal): Promise<string | undefined>
}

export interface SmallObjectQuery {
  readonly maxBytes: number
  readonly etag?: string | undefined
  readonly signal: AbortSignal
}

export interface SmallObject {
  readonly bytes: Uint8Array
  readonly etag: string | undefined
}

export interface ObjectRangeQuery {
  readonly range: ByteRange
  readonly size: number
  readonly signal: AbortSignal
}

export interface FolderQuery {
  /** Only names after this one. */
  readonly after?: string | undefined
  /** At most this many names. */
  readonly limit: number
  readonly signal: AbortSignal
}

export interface FolderPage {
  readonly names: readonly string[]
  readonly more: boolean
}
