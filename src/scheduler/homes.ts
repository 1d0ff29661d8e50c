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

/** What a host ranks by that stands in for a cache: hosts of one address have the same `address`. */
interface Drawn {
  readonly address: string
  readonly host: string
}

/**
 * Ranks hosts that stand in for caches, the same way: by what was drawn for their addresses, so that many identities of one
 * are no more often first than one, then by what was drawn for themselves. For whom nothing was drawn ranks behind all
 * others, by name.
 */
export function rankStandIns(
  key: string,
  hosts: readonly string[],
  drawnOf: (host: string) => Drawn | undefined,
): string[] {
  const weighed = hosts.map((id) => {
    const drawn = drawnOf(id)
    const address = drawn === undefined ? -1 : hash53(`${drawn.address} ${key}`)
    return { id, address, host: hash53(`${drawn?.host ?? id} ${key}`) }
  })
  return weighed
    .sort((a, b) => b.address - a.address || b.host - a.host || (a.id < b.id ? -1 : 1))
    .map((scored) => scored.id)
}
