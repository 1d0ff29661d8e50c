import { Command } from 'commander'
import { z } from 'zod'
import { gateSchema } from '../admin/index.ts'
import { sleep } from '../base/abort.ts'
import { systemClock } from '../base/clock.ts'
import { isShoalError, ShoalError } from '../base/errors.ts'
import { parseDurationMs } from '../base/quantity.ts'
import type { GateView } from '../prewarm/index.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'

const POLL_MS = 1_000
const DEFAULT_TIMEOUT = '30m'

const HELP = `
Goes by the newest prewarm job that has the image, on whatever host it was started, and waits for one that is still to be
started (by a webhook, say). Exits 0 as soon as enough hosts are ready, whether the job has ended or not; 1 when the job ends
below that, or the time is over. Pipelines without this program ask the agent: GET /api/v1/prewarm/gate?image=REF&quorum=95%25
answers 200 or 503.

Examples:
  shoal wait registry.corp/shop/web:v42 --quorum 95%
  shoal wait registry.corp/shop/web:v42 registry.corp/shop/api:v42 --hosts 20 --timeout 10m
`

const optionsSchema = adminOptionsSchema.extend({
  quorum: z.string(),
  hosts: z.string(),
  timeout: z.string(),
  json: z.boolean().default(false),
})

/** `shoal wait IMAGE...`: the gate of a rollout. */
export function createCommand(io: CommandIo): Command {
  return withAdminOptions(new Command('wait'))
    .summary('wait until enough hosts have an image, as a gate of a rollout')
    .description('Waits until enough hosts have been prewarmed with the images that a rollout is about to switch to.')
    .argument('<images...>', '[registry/]repository[:tag][@digest]')
    .option('--quorum <percent>', 'the part of the hosts of the job that must be ready', '100%')
    .option('--hosts <n>', 'so many at least', '0')
    .option('--timeout <time>', 'give up after', DEFAULT_TIMEOUT)
    .option('--json', 'print one JSON array at the end')
    .addHelpText('after', HELP)
    .action((images: string[], raw: unknown) => run(io, images, raw))
}

async function run(io: CommandIo, images: readonly string[], raw: unknown): Promise<void> {
  const { quorum, hosts, timeout, json, ...admin } = optionsSchema.parse(raw)
  const timeoutMs = parseDurationMs(timeout)
  if (timeoutMs === undefined) {
    throw new ShoalError('PREWARM_INVALID', '--timeout: not a length of time such as 10m')
  }
  const client = await AdminClient.open(admin, io)
  const until = systemClock.now() + timeoutMs
  let said = ''
  for (;;) {
    const { gates, trouble } = await askGates(client, images, { quorum, hosts }, io)
    const text = trouble ?? gates.map(({ image, reason }) => `${image}: ${reason}`).join('\n')
    if (text !== said && (trouble !== undefined || !json)) io.stderr.write(`${text}\n`)
    said = text
    const isOpen = gates.length > 0 && gates.every(({ open }) => open)
    const isOver = systemClock.now() >= until || gates.some(({ final }) => final)
    if (isOpen || isOver) {
      if (json) io.stdout.write(`${JSON.stringify(gates)}\n`)
      if (!isOpen) io.setExitCode(1)
      return
    }
    await sleep(systemClock, POLL_MS, io.signal)
  }
}

interface Gates {
  readonly gates: readonly GateView[]
  /** Why there are none. */
  readonly trouble?: string
}

/** None while nobody answers: caches may restart in the middle of a rollout. */
async function askGates(
  client: AdminClient,
  images: readonly string[],
  query: { readonly quorum: string; readonly hosts: string },
  io: CommandIo,
): Promise<Gates> {
  try {
    const ask = (image: string): Promise<GateView> =>
      client.get(`/api/v1/prewarm/gate?${new URLSearchParams({ image, ...query })}`, gateSchema, io.signal)
    return { gates: await Promise.all(images.map(ask)) }
  } catch (error) {
    io.signal.throwIfAborted()
    if (!isShoalError(error, 'UNAVAILABLE')) throw error
    return { gates: [], trouble: `${error.message}; asking again until --timeout` }
  }
}
