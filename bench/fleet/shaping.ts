import { z } from 'zod'
import { runCommand } from './command.ts'

/** Most a burst may send at line speed: a larger one gives short transfers bytes for free. */
const BURST_SECONDS = 0.001
const MIN_BURST_BYTES = 16 * 1024
/** What may wait for its turn: enough for TCP to fill the link, not so much that queues hide the rate. */
const QUEUE_SECONDS = 0.02
const MIN_QUEUE_BYTES = 128 * 1024

const qdiscsSchema = z.array(
  z.object({
    kind: z.string(),
    dev: z.string().optional(),
    overlimits: z.number().default(0),
    bytes: z.number().default(0),
  }),
)

/**
 * The arguments of the `tc` calls that limit what leaves `device` to `mbps`: HTB with a byte-counted queue, because a
 * queue that counts packets counts 64 KiB ones as one.
 */
export function shapingCommands(device: string, mbps: number): string[][] {
  const queue = `${Math.round(Math.max(MIN_QUEUE_BYTES, bytesPerSecond(mbps) * QUEUE_SECONDS))}`
  const limits = htbLimits(mbps)
  return [
    ['qdisc', 'add', 'dev', device, 'root', 'handle', '1:', 'htb', 'default', '10'],
    ['class', 'add', 'dev', device, 'parent', '1:', 'classid', '1:10', 'htb', ...limits],
    ['qdisc', 'add', 'dev', device, 'parent', '1:10', 'handle', '10:', 'bfifo', 'limit', queue],
  ]
}

export async function shape(namespace: string, device: string, mbps: number): Promise<void> {
  for (const args of shapingCommands(device, mbps)) await runCommand('tc', '-n', namespace, ...args)
}

/** Gives a device that is shaped already another rate. */
export async function reshape(namespace: string, device: string, mbps: number): Promise<void> {
  const place = ['class', 'change', 'dev', device, 'parent', '1:', 'classid', '1:10', 'htb']
  await runCommand('tc', '-n', namespace, ...place, ...htbLimits(mbps))
}

function htbLimits(mbps: number): string[] {
  const burst = `${Math.round(Math.max(MIN_BURST_BYTES, bytesPerSecond(mbps) * BURST_SECONDS))}b`
  const rate = `${Math.round(mbps * 1000)}kbit`
  return ['rate', rate, 'ceil', rate, 'burst', burst, 'cburst', burst, 'quantum', '60000']
}

function bytesPerSecond(mbps: number): number {
  return (mbps * 1e6) / 8
}

/** Bytes that have passed the shapers of a namespace, by device: as they are on the wire, each frame of a large packet with its headers. */
export async function shapedBytes(namespace: string): Promise<Map<string, number>> {
  const output = await runCommand('tc', '-n', namespace, '-s', '-j', 'qdisc', 'show')
  const shapers = qdiscsSchema.parse(JSON.parse(output)).filter(({ kind }) => kind === 'htb')
  return new Map(shapers.map(({ dev, bytes }) => [dev ?? '', bytes]))
}

/** How often the shaper made a packet wait: 0 means that the link was never the limit. */
export async function overlimits(namespace: string, device: string): Promise<number> {
  const output = await runCommand('tc', '-n', namespace, '-s', '-j', 'qdisc', 'show', 'dev', device)
  const qdiscs = qdiscsSchema.parse(JSON.parse(output))
  return qdiscs.filter(({ kind }) => kind === 'htb').reduce((sum, one) => sum + one.overlimits, 0)
}
