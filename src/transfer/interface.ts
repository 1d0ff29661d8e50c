import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { Opened } from './opening.ts'
import type { Transfer } from './transfer.ts'

/** A blob on its way as its readers see it, outside of this room: what comes and whether it is right. They change nothing of it. */
export interface ReadTransfer
  extends Pick<
    Transfer,
    | 'blob'
    | 'changed'
    | 'digest'
    | 'failure'
    | 'handedOut'
    | 'hold'
    | 'layout'
    | 'lend'
    | 'prefixConfirmed'
    | 'proven'
    | 'readInto'
    | 'received'
    | 'ref'
    | 'resumed'
    | 'retractions'
    | 'signal'
    | 'startedAt'
    | 'startedEpochMs'
    | 'whenChanged'
    | 'whenFound'
    | 'whenServable'
    | 'window'
  > {
  readonly partial: { readonly have: ReadonlyBitfield }
}

/** What is found of a blob, for a reader. */
export type OpenedForReading = Opened<ReadTransfer>
