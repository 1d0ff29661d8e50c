import { quantile } from '../support/quantile.ts'
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
const WINDOW = { skipMs: 1_500, measureMs: 3_000 }

/** What acknowledgements of the other direction take of a link that is full both ways. */
const ACKNOWLEDGEMENTS = 0.015

/** Bytes per second that a link of `mbps` should carry when it is full both ways. */
export function goodput(mbps: number): number {
  return ((mbps * 1e6) / 8) * GOODPUT * (1 - ACKNOWLEDGEMENTS)
}

/** Calibrates hosts of one rate in a ring, each sending to the next, then the cache. Takes about ten seconds. */
export async function calibrate(hosts: readonly Hand[], cache: Hand): Promise<Calibration> {
  const ring = await measure(
    hosts.map((hand, index) => ({ from: hand, to: [hosts[(index + 1) % hosts.length] ?? hand] })),
  )
  const fan = await measure([{ from: cache, to: hosts }])
  return {
    host: quantile(ring, 0.5),
    spread: [Math.min(...ring), Math.max(...ring)],
    cache: fan.reduce((sum, rate) => sum + rate, 0),
  }
}

async function measure(flows: readonly { from: Hand; to: readonly Hand[] }[]): Promise<number[]> {
  const opened = await Promise.all(
    flows.map(async ({ from, to }) => ({ from, sinks: await Promise.all(to.map((hand) => hand.sink(WINDOW))) })),
  )
  const floods = opened.map(({ from, sinks }) => from.flood(sinks))
  const rates = await Promise.all(opened.flatMap(({ sinks }) => sinks.map(({ rate }) => rate)))
  await Promise.all(floods)
  return rates
}
