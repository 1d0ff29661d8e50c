import type { Config, UpstreamConfig } from '../config/index.ts'
import { changedKeys } from '../config/index.ts'
import type { LiveUpstreams } from './live-upstreams.ts'
import type { Limiters } from './node-status.ts'

/** What became of a configuration that was read again: keys as a user writes them. */
export interface ReloadReport {
  /** In force now. */
  readonly applied: readonly string[]
  /** Changed in the file, in force only after a restart. */
  readonly needRestart: readonly string[]
}

interface LiveParts {
  readonly upstreams: LiveUpstreams
  readonly limiters: Limiters
  readonly resizeStore: (sizes: { readonly capacityBytes: number; readonly minFreeBytes: number }) => Promise<void>
  /** Reads the fleet's credentials again; the keys that have changed with them. Throws `CONFIG_INVALID`. */
  readonly credentials: (config: Config) => Promise<readonly string[]>
}

/** Keys this host takes up while it runs. Besides these: upstreams, and what the files hold that keys name. */
const LIMITS = ['upload', 'download', 'origin', 'prewarm'] as const
const ELSEWHERE = [
  'search',
  'tags.ttl',
  'tags.maxStale',
  'store.capacity',
  'store.minFree',
  'store.scrub',
  'mirror.drain',
  'mirror.hosts',
  'log.level',
]
/** Of these each is in force from the next reload on; all others need a restart, and a reload says so. */
export const LIVE_KEYS: ReadonlySet<string> = new Set([...LIMITS.map((name) => `limits.${name}`), ...ELSEWHERE])

/** The configuration in force, of which some can change while the host runs. */
export class LiveConfig {
  readonly #parts: LiveParts
  #current: Config

  constructor(config: Config, parts: LiveParts) {
    this.#current = config
    this.#parts = parts
  }

  get current(): Config {
    return this.#current
  }

  /**
   * Takes up what can be taken up. A limit that was changed at run time keeps its value unless the file has another one
   * than before. Throws `CONFIG_INVALID` when something named in the configuration cannot be used; what was changed
   * before that stays changed.
   */
  async apply(next: Config): Promise<ReloadReport> {
    const before = this.#current
    const changed = changedKeys(before, next)
    const credentials = await this.#parts.credentials(next)
    const reopened = this.#applyUpstreams(before, next, changed)
    const { limiters, upstreams, resizeStore } = this.#parts
    for (const name of LIMITS) if (changed.includes(`limits.${name}`)) limiters[name].setRate(next.limits[name])
    if (changed.includes('search')) upstreams.changeSearch(next.search)
    await resizeStore(next.store)
    const isLive = (key: string): boolean => LIVE_KEYS.has(key) || key.startsWith('upstreams.')
    const applied = [...changed.filter(isLive), ...reopened, ...credentials]
    const needRestart = changed.filter((key) => !isLive(key) && !credentials.includes(key))
    this.#current = inForce(before, next)
    return { applied, needRestart }
  }

  /** Opens what has changed; and what names a file of credentials, whose content may have. The latter's keys. */
  #applyUpstreams(before: Config, next: Config, changed: readonly string[]): string[] {
    const names = new Set([...before.upstreams, ...next.upstreams].map(({ name }) => name))
    const reread: string[] = []
    for (const name of names) {
      const upstream = next.upstreams.find((candidate) => candidate.name === name)
      const key = `upstreams.${name}`
      const rereads = !changed.includes(key) && upstream !== undefined && namesFile(upstream)
      if (rereads) reread.push(`${key} (credentials file)`)
      if (rereads || changed.includes(key)) this.#parts.upstreams.change(name, upstream)
    }
    return reread
  }
}

/** What later reloads are compared with: a key that needs a restart stays what it is, so that it is named again. */
function inForce(before: Config, next: Config): Config {
  const { limits, search, tags, upstreams } = next
  const { capacityBytes, minFreeBytes, scrubMs } = next.store
  const { drainMs, hosts } = next.mirror
  return {
    ...before,
    limits,
    search,
    tags,
    upstreams,
    fleet: next.fleet,
    store: { ...before.store, capacityBytes, minFreeBytes, scrubMs },
    mirror: { ...before.mirror, drainMs, hosts },
    log: { ...before.log, level: next.log.level },
  }
}

function namesFile({ origins }: UpstreamConfig): boolean {
  return origins.some((origin) => origin.kind === 'registry' && origin.credentials?.file !== undefined)
}
