import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { Catalogue } from './catalogue.ts'
import { storeError } from './files.ts'
import type { IndexWay } from './index-files.ts'
import { isIndexDamage, opened, waysToIndex } from './index-files.ts'
import type { StorePaths } from './paths.ts'
import type { Recovered } from './recovery.ts'
import { recover } from './recovery.ts'
import { StoreIndex } from './store-index.ts'

interface OpenIndexDeps {
  readonly paths: StorePaths
  readonly logger: Logger
  readonly clock: Pick<Clock, 'wall'>
  readonly now: () => number
}

interface OpenedIndex {
  readonly index: StoreIndex
  readonly catalogue: Catalogue
  readonly way: IndexWay
  readonly recovered: Recovered
}

/**
 * Opens the index and compares it with the files. One that is damaged is repaired, and if that does not help set aside and
 * begun anew: blobs are then found by their names, and proven by their content before they are served. Throws
 * `STORE_FAILED` when another process has the store open.
 */
export async function openIndex(deps: OpenIndexDeps): Promise<OpenedIndex> {
  const ways = await waysToIndex(deps.paths.level)
  try {
    return await tryWays(deps, ways)
  } finally {
    await opened(deps.paths.level)
  }
}

async function tryWays(deps: OpenIndexDeps, ways: readonly IndexWay[]): Promise<OpenedIndex> {
  for (const way of ways) {
    try {
      const index = await attempt(deps, way)
      if (way !== 'as it is') tell(deps, index)
      return index
    } catch (error) {
      if (!isIndexDamage(error) || way === 'anew') throw error
      deps.logger.error({ err: error, path: deps.paths.level, way }, 'the index of the store is damaged')
    }
  }
  throw new Error('unreachable: the last way returns or throws')
}

async function attempt({ paths, logger, clock, now }: OpenIndexDeps, way: IndexWay): Promise<OpenedIndex> {
  const index = await StoreIndex.open(paths.level, logger, way, clock.wall())
  try {
    const catalogue = new Catalogue(now)
    const recovered = await recover({ paths, index, catalogue, logger, now, proves: way === 'as it is' })
    return { index, catalogue, way, recovered }
  } catch (error) {
    await index[Symbol.asyncDispose]()
    throw storeError(error, `the store at ${paths.root} cannot be read`)
  }
}

function tell({ logger, paths }: OpenIndexDeps, { catalogue, way, recovered }: OpenedIndex): void {
  const kept = { blobs: catalogue.list().length, pins: [...catalogue.pins.digests()].length }
  const lost = way === 'anew' ? 'pins, access rights, tags and jobs; partials' : 'rows that could not be read'
  logger.warn({ path: paths.level, way, kept, lost, ...recovered }, 'the index of the store was damaged and is mended')
}
