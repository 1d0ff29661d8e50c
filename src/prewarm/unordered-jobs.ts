import type { Logger } from '../base/log.ts'
import type { BlobStore } from '../store/index.ts'
import { KEYS_ALONE } from './job-store.ts'

/** Where versions before orders kept their jobs. */
const OLD_TABLE = 'prewarm-jobs'
const MAX_NAMED = 16

/** Drops jobs of versions before orders: nothing proves who wanted them, so no host may obey them. Says which in one line. */
export async function dropUnordered({
  store,
  logger,
}: {
  readonly store: Pick<BlobStore, 'table'>
  readonly logger: Logger
}): Promise<void> {
  const table = store.table(OLD_TABLE, KEYS_ALONE)
  const ids: string[] = []
  for await (const [id] of table.entries('')) ids.push(id)
  if (ids.length === 0) return
  for (const id of ids) await table.delete(id)
  logger.warn(
    { jobs: ids.length, ids: ids.slice(-MAX_NAMED) },
    'prewarm jobs of an earlier version were dropped: no order proves who wanted them; start again what is still wanted',
  )
}
