/**
 * Lower bounds on distribution times, in seconds, from bytes and bytes per second. With F bytes, u up and d down:
 * `max(F/u_source, F/d_min, N*F/(u_source + sum u_i))` (Kumar and Ross, "Peer-assisted file distribution: the minimum
 * distribution time", 2006). No protocol, however clever, beats them.
 */
export interface Receivers {
  readonly bytes: number
  /** Downlinks of all that must end up with the bytes. */
  readonly downloads: readonly number[]
  /** Uplinks of all that may help: receivers, and those that have the bytes already. */
  readonly uploads: readonly number[]
}

/** N receivers and one source that has everything: max(F/u_s, F/d_min, N*F/(u_s + sum u)). */
export function swarmBound(source: number, { bytes, downloads, uploads }: Receivers): number {
  if (downloads.length === 0) return 0
  const supply = source + sum(uploads)
  return Math.max(bytes / source, bytes / Math.min(...downloads), (downloads.length * bytes) / supply)
}

/**
 * The source is a cache that has nothing yet and reads from the origin while it serves (cut-through, so times do not
 * add up): max(F/u_origin, F/d_cache, swarmBound(cache)).
 */
export function burstBound(
  { origin, cache }: { readonly origin: number; readonly cache: number },
  receivers: Receivers,
): number {
  return Math.max(receivers.bytes / Math.min(origin, cache), swarmBound(cache, receivers))
}

/** Nobody helps: every receiver takes its own copy from one server: max(F/d_min, N*F/u_server). */
export function serverBound(server: number, { bytes, downloads }: Receivers): number {
  return Math.max(bytes / Math.min(...downloads), (downloads.length * bytes) / server)
}

/** Some start `joinSeconds` later: nobody of them ends before joinSeconds + F/d, nor all of them before `whole`. */
export function joinBound(whole: number, joinSeconds: number, { bytes, downloads }: Receivers): number {
  return downloads.length === 0 ? whole : Math.max(whole, joinSeconds + bytes / Math.min(...downloads))
}

/**
 * Waves, each after the one before it: the first is `first`; in the others the hosts of earlier waves have everything and
 * help, so that F/u_source no longer counts the cache alone. The sum over all waves.
 */
export function rollingBound(first: number, cache: number, waves: readonly Receivers[]): number {
  let holders: number[] = []
  let total = 0
  for (const [index, wave] of waves.entries()) {
    total += index === 0 ? first : swarmBound(cache + sum(holders), wave)
    holders = [...holders, ...wave.uploads]
  }
  return total
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
