import { hash53 } from './hash.ts'

/**
 * Ranks the candidates for `key` by rendezvous hashing (Thaler & Ravishankar 1996): the first is the key's home, the
 * next its stand-in. When a candidate leaves, only its own keys move. `rankOf` says what a candidate ranks by: a secret it
 * has told the members, so that strangers cannot say who is home of what. Undefined when it has told none; then all rank
 * by their names, as hosts do that know of no secrets, so that all of a mixed fleet agree.
 */
export function rankHomes(
  key: string,
  candidates: readonly string[],
  rankOf: (candidate: string) => string | undefined = () => undefined,
): string[] {
  const told = candidates.map((id) => ({ id, by: rankOf(id) }))
  const isTold = told.every(({ by }) => by !== undefined)
  return told
    .map(({ id, by }) => ({ id, weight: hash53(`${isTold ? by : id} ${key}`) }))
    .sort((a, b) => b.weight - a.weight || (a.id < b.id ? -1 : 1))
    .map((scored) => scored.id)
}
