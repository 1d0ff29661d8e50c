import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { VerifiedDamage, VerifyView } from '../admin/index.ts'
import { systemClock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { silentLogger } from '../base/log.ts'
import { noMetrics } from '../base/metrics.ts'
import { parseDigest } from '../oci/digest.ts'
import { checkBlob, DiskStore } from '../store/index.ts'

/**
 * Compares the store of an agent that is stopped; what is damaged is dropped, and the agent fetches it when it is asked for.
 * Throws `STORE_FAILED` while another process has the store open, and `CONFIG_INVALID` for targets that are no digests and for
 * a path without a store.
 */
export async function verifyStopped(
  path: string,
  targets: readonly string[],
  signal: AbortSignal,
  say: (view: VerifyView) => void,
): Promise<VerifyView> {
  const asked = targets.map((target) => {
    const digest = parseDigest(target)
    if (digest !== undefined) return digest
    throw new ShoalError('CONFIG_INVALID', `${target}: with --store only digests can be named`)
  })
  // opening would make one, and say that all is well with it
  const found = await stat(join(path, 'blobs')).catch(() => undefined)
  if (found?.isDirectory() !== true) {
    throw new ShoalError(
      'CONFIG_INVALID',
      `--store ${path}: there is no store; give the store.path of the agent's configuration`,
    )
  }
  // what an agent may keep is none of this command's business: nothing is evicted
  const bounds = { path, capacityBytes: Number.MAX_SAFE_INTEGER, minFreeBytes: 0 }
  await using store = await DiskStore.open(bounds, { logger: silentLogger, metrics: noMetrics })
  const all = store.list().flatMap(({ digest, state }) => (state === 'complete' ? [digest] : []))
  const digests = asked.length === 0 ? all : asked
  const totalBytes = digests.reduce((sum, digest) => sum + (store.size(digest) ?? 0), 0)
  const damaged: VerifiedDamage[] = []
  const absent: string[] = []
  let [blobs, bytes] = [0, 0]
  const view = (state: VerifyView['state']): VerifyView => ({
    state,
    startedEpochMs,
    blobs: { total: digests.length, checked: blobs },
    bytes: { total: totalBytes, checked: bytes },
    damaged,
    absent,
  })
  const startedEpochMs = systemClock.wall()
  for (const digest of digests) {
    const sizeBytes = store.size(digest) ?? 0
    const check = await checkBlob(store, digest, async (count) => {
      signal.throwIfAborted()
      bytes += count
    })
    blobs++
    if (check.kind === 'absent') absent.push(digest)
    if (check.kind === 'damaged') damaged.push({ digest, sizeBytes, pieces: check.pieces, wholeAgain: false })
    say(view('running'))
  }
  return view('done')
}
