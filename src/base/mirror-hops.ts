import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'

/**
 * The Shoals that a request has come through before this host, the first asker first. A mirror may be another's origin; where
 * they ask in a circle, each would wait for the next. The names go along with a request's work by themselves, as a trace's do,
 * to whatever is asked for it: registries (a header) and other hosts of the fleet (a key of calls).
 */

/** The request header, and the most Shoals that one request may come through. Older ones sent it with another value. */
export const HOPS_HEADER = 'x-shoal-mirrored'
export const MAX_HOPS = 8
/** A name: random, a process's own, so that it tells nobody anything. */
export const HOP_NAME = /^[A-Za-z0-9-]{1,32}$/
const NONE: readonly string[] = []

const chains = new AsyncLocalStorage<readonly string[]>()

/** A process's own name. */
export function newHopName(): string {
  return randomBytes(8).toString('hex')
}

/** Through whom the work under way was asked for; empty for a runtime's own request and for the host's own work. */
export function currentHops(): readonly string[] {
  return chains.getStore() ?? NONE
}

/** Runs work that was asked for through `hops`, and all that it starts. */
export function withHops<T>(hops: readonly string[], work: () => T): T {
  return chains.run(hops, work)
}

/** What the header of a request says; undefined without one: no Shoal has sent it. */
export function parseHops(header: string | readonly string[] | undefined): readonly string[] | undefined {
  if (header === undefined) return undefined
  const names = String(header).slice(0, 1024).split(',')
  return names.map((name) => name.trim()).filter((name) => HOP_NAME.test(name))
}

/** The header's value for what `own` asks while it works for others. */
export function hopsText(own: string): string {
  return [...currentHops(), own].join(', ')
}

/** Why a request through `hops` is not answered by `own`: it has been here before, or goes on and on. */
export function hopsRefusal(hops: readonly string[], own: string): string | undefined {
  if (hops.includes(own)) {
    return 'asked in a circle: this question came from this very mirror, through an origin that asks it again; take that origin away'
  }
  if (hops.length < MAX_HOPS) return undefined
  return `asked through ${hops.length} mirrors, one after the other: ${MAX_HOPS} are too many`
}
