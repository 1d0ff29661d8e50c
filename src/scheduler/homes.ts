import { hash53 } from './hash.ts'

/**
 * Ranks the candidates for `key` by rendezvous hashing (Thaler & Ravishankar 1996): the first is the key's home, the
 * next its stand-in. When a candidate leaves, only its own keys move.
 */
export function rankHomes(key: string, candidates: readonly string[]): string[] {
  return candidates
    .map((id) => ({ id, weight: hash53(`${id} ${key}`) }))
    .sort((a, b) => b.weight - a.weight || (a.id < b.id ? -1 : 1))
    .map((scored) => scored.id)
}
