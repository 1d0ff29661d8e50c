import type { FreeSpace } from '../base/free-space.ts'
import { freeSpace } from '../base/free-space.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'

/**
 * What is left of the file system that the store lies on, for metrics. A scrape shows what the last look found and starts
 * the next one: a disk that hangs holds neither the scrape nor the start. NaN until there is a first.
 */
export function declareFreeSpace(registry: MetricRegistry, path: string, logger: Logger): void {
  let seen: Pick<FreeSpace, 'bytes' | 'files'> = { bytes: Number.NaN, files: Number.NaN }
  let running: Promise<void> | undefined
  const look = (): Promise<void> => {
    running ??= freeSpace(path)
      .then(
        (found) => {
          seen = found
        },
        (error: unknown) => logger.debug({ err: error }, 'free space cannot be read'),
      )
      .finally(() => {
        running = undefined
      })
    return running
  }
  registry.gauge('shoal_store_free_bytes', 'Bytes that the file system of the store has left.', [], (gauge) => {
    gauge.set({}, seen.bytes)
    void look()
  })
  registry.gauge('shoal_store_free_inodes', 'Files that the file system of the store has room for.', [], (gauge) =>
    gauge.set({}, seen.files),
  )
  void look()
}
