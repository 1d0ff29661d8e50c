import { quantile } from '../../src/base/quantile.ts'
import type { Hand } from './hand.ts'

/** What the shaped links carry of TCP payload, in bytes per second: HTB counts headers too, and acknowledgements ride along. */
export interface Calibration {
  /** The median host, sending and receiving at the same time. */
  readonly host: number
  /** The slowest and fastest host in the ring. */
  readonly spread: readonly [least: number, most: number]
  /** The cache, sending to all hosts at once. */
  readonly cache: number
}

/** TCP payload per Ethernet frame that HTB counts: 1448 of 1514 bytes. */
export const GOODPUT = 1448 / 1514
/** As long as the queues of a link are small beside what passes: 128 KiB are a sixth of a second at 6 Mb/s. */
const LEAST_WINDOW_MS = 6_000
const WINDOW_BYTES = 18_000_000
const SKIP_SHARE = 1 / 3

/** What acknowledgements of the other direction take of a link that is full both ways. */
const ACKNOWLEDGEMENTS = 0.015

/** Bytes per second that a link of `mbps` should carry when it is full both ways. */
export function goodput(mbps: number): number {
  return ((mbps * 1e6) / 8) * GOODPUT * (1 - ACKNOWLEDGEMENTS)
}

/** Calibrates hosts of `mbps` in a ring, each sending to the next, then the cache. Takes some twenty seconds. */
export async function calibrate(hosts: readonly Hand[], cache: Hand, mbps: number): Promise<Calibration> {
  const measureMs = Math.max(LEAST_WINDOW_MS, (WINDOW_BYTES / goodput(mbps)) * 1000)
  const window = { skipMs: measureMs * SKIP_SHARE, measureMs }
  const ring = await measure(
    hosts.map((hand, index) => ({ from: hand, to: [hosts[(index + 1) % hosts.length] ?? hand] })),
    window,
  )
  const fan = await measure([{ from: cache, to: hosts }], window)
  return {
    host: quantile(ring, 0.5),
    spread: [Math.min(...ring), Math.max(...ring)],
    cache: fan.reduce((sum, rate) => sum + rate, 0),
  }
}

async function measure(
  flows: readonly { readonly from: Hand; readonly to: readonly Hand[] }[],
  window: { readonly skipMs: number; readonly measureMs: number },
): Promise<number[]> {
  const opened = await Promise.all(
    flows.map(async ({ from, to }) => ({ from, sinks: await Promise.all(to.map((hand) => hand.sink(window))) })),
  )
  const floods = opened.map(({ from, sinks }) => from.flood(sinks))
  const rates = await Promise.all(opened.flatMap(({ sinks }) => sinks.map(({ rate }) => rate)))
  await Promise.all(floods)
  return rates
}
