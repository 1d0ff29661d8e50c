import type { DecodeOptions } from 'cborg'
import { Tokenizer } from 'cborg'

/**
 * More values than any frame has: 4096 runs of hashes are some 30 000. A frame of 5 MiB could have five million, and
 * each would cost the turn of the event loop that decodes it.
 */
const MAX_FRAME_VALUES = 65_536

/** Reads CBOR, and throws at what has too many values in it. */
export class BoundedTokens extends Tokenizer {
  #left = MAX_FRAME_VALUES

  constructor(data: Uint8Array, options: DecodeOptions) {
    super(data, options)
  }

  override next(): ReturnType<Tokenizer['next']> {
    if (--this.#left < 0) throw new RangeError(`more than ${MAX_FRAME_VALUES} values`)
    return super.next()
  }
}
