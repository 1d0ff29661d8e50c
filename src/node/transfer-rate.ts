import { sumOf } from '../base/sum.ts'
import type { Transfer } from '../transfer/index.ts'

/** How long a transfer has run, in seconds (never 0), and what it has received in them, from anywhere, per second. */
export function transferRate(
  { startedAt, received }: Pick<Transfer, 'startedAt' | 'received'>,
  now: number,
): { readonly seconds: number; readonly bytesPerSec: number } {
  const seconds = Math.max(0.001, (now - startedAt) / 1000)
  return { seconds, bytesPerSec: sumOf(received) / seconds }
}
