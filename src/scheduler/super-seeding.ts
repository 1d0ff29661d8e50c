import type { ReadonlyBitfield } from '../piece/bitfield.ts'

/** What a peer was just sent counts as handed out more often than anything else. */
const JUST_SENT = 2 ** 32

export interface SeededBlob {
  readonly have: ReadonlyBitfield
  /** How often each piece has been handed out: what super-seeding goes by. */
  readonly served: Uint32Array
}

/** Of `wanted`, what has been handed out least; what this peer was just sent only if nothing else is left. */
export function leastServed(
  blob: SeededBlob,
  wanted: ReadonlyBitfield,
  recent: readonly number[],
): { readonly piece: number; readonly served: number } | undefined {
  let best = -1
  let bestServed = Number.POSITIVE_INFINITY
  for (let word = 0; word < wanted.words && bestServed > 0; word++) {
    let bits = wanted.word(word) & blob.have.word(word)
    while (bits !== 0 && bestServed > 0) {
      const piece = word * 32 + 31 - Math.clz32(bits & -bits)
      bits &= bits - 1
      const served = blob.served[piece]! + (recent.includes(piece) ? JUST_SENT : 0)
      if (served >= bestServed) continue
      best = piece
      bestServed = served
    }
  }
  return best < 0 ? undefined : { piece: best, served: bestServed }
}
