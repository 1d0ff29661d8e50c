import { isDeepStrictEqual } from 'node:util'
import type { Config } from './resolve.ts'

/** Units that keys have in a Config, and not in the file. */
const UNIT = /(?:Bytes|Ms)$/

/**
 * The keys that differ between two configurations, as a user writes them (`limits.upload`, `store.capacity`); upstreams
 * by their name (`upstreams.docker.io`), and other lists as a whole.
 */
export function changedKeys(before: Config, after: Config): string[] {
  const { upstreams: old, ...rest } = before
  const { upstreams: now, ...others } = after
  const byName = (upstreams: Config['upstreams']): Record<string, unknown> =>
    Object.fromEntries(upstreams.map((upstream) => [upstream.name, [upstream]]))
  return [...differences([], rest, others), ...differences(['upstreams'], byName(old), byName(now))]
}

function differences(path: readonly string[], before: unknown, after: unknown): string[] {
  if (isDeepStrictEqual(before, after)) return []
  if (!isGroup(before) || !isGroup(after)) return [path.join('.').replace(UNIT, '')]
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key) => differences([...path, key], before[key], after[key]))
}

function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
