/** An inbound connection that is no link yet, as far as it matters who gives way and who comes first. */
export interface Waiting {
  /** Whom its address belongs to. */
  readonly group: string
  /** How many looks in a row found that nothing had come of it. */
  readonly quietLooks: number
}

/**
 * Who gives way when there are too many: of those that have been quiet for `leastLooks`, one of the group that has most
 * of all, and of these the one that has been quiet longest. Nobody who is being served: then there is none. So one
 * address may have all there is while nobody else wants it, and cannot keep others out when they do.
 */
export function givesWay<T extends Waiting>(all: Iterable<T>, leastLooks: number): T | undefined {
  const quiet: T[] = []
  const counts = new Map<string, number>()
  for (const one of all) {
    counts.set(one.group, (counts.get(one.group) ?? 0) + 1)
    if (one.quietLooks >= leastLooks) quiet.push(one)
  }
  let first: T | undefined
  for (const one of quiet) if (first === undefined || goesBefore(one, first, counts)) first = one
  return first
}

function goesBefore(a: Waiting, b: Waiting, counts: ReadonlyMap<string, number>): boolean {
  const more = (counts.get(a.group) ?? 0) - (counts.get(b.group) ?? 0)
  return more === 0 ? a.quietLooks > b.quietLooks : more > 0
}

/**
 * Who is served next: first those from where members have come before, then those of whose group the fewest are being
 * served, then those who came first.
 */
export function comesNext<T extends Waiting>(
  ready: Iterable<T>,
  served: Iterable<Waiting>,
  isKnown: (group: string) => boolean,
): T | undefined {
  const counts = new Map<string, number>()
  for (const { group } of served) counts.set(group, (counts.get(group) ?? 0) + 1)
  const rank = ({ group }: T): number => (isKnown(group) ? 0 : 1e9) + (counts.get(group) ?? 0)
  let next: T | undefined
  for (const one of ready) if (next === undefined || rank(one) < rank(next)) next = one
  return next
}
