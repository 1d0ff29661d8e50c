import { Command } from 'commander'
import { z } from 'zod'
import { pinSchema, pinsSchema } from '../admin/index.ts'
import { systemClock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { parseDurationMs } from '../base/quantity.ts'
import { parseReference } from '../oci/reference.ts'
import type { PinView } from '../pins/index.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { plainTable } from './plain-table.ts'
import { durationText, sizeText } from './quantity-text.ts'

const optionsSchema = adminOptionsSchema.extend({
  for: z.string(),
  platform: z.string().optional(),
  list: z.boolean().default(false),
  json: z.boolean().default(false),
})

/** As the agent has it. */
const LEAST_MS = 1_000
const MOST_MS = 365 * 86_400_000

const HELP = `
Examples:
  shoal pin registry.corp/team/app:v2 --for 7d
  shoal pin --list

What the reference means now is pinned: its manifests, config and layers, for this host's platform. Pinning moves no
content: what is not here yet is pinned when it comes. Pinning a reference again replaces its pin, for longer or shorter.
Prewarm jobs have pins of their own: "shoal prewarm edit ID --pin TIME" changes them, "shoal unpin" takes all away.
`

/** `shoal pin REF`: eviction leaves an image alone for a while. */
export function createCommand(io: CommandIo): Command {
  return withAdminOptions(new Command('pin'))
    .summary('keep an image on a host for a while')
    .description(
      'Keeps an image on one host: eviction leaves it alone until the pin ends or "shoal unpin" takes it away.',
    )
    .argument('[reference]', '[registry/]repository[:tag][@digest]')
    .option('--for <time>', 'how long, from 1s to 365d', '24h')
    .option('--platform <os/arch>', "of an image for several platforms, another one than this host's")
    .option('--list', 'show what is pinned')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(async (reference: string | undefined, raw: unknown) => {
      const options = optionsSchema.parse(raw)
      if (options.list === (reference !== undefined)) {
        throw new ShoalError('CONFIG_INVALID', 'give either a reference or --list')
      }
      // Only its grammar matters here: the agent knows which upstreams there are.
      if (reference !== undefined) parseReference(reference, 'docker.io')
      const forMs = parseDurationMs(options.for) ?? 0
      if (forMs < LEAST_MS || forMs > MOST_MS) {
        throw new ShoalError('CONFIG_INVALID', `--for ${options.for}: not a length of time from 1s to 365d such as 24h`)
      }
      const client = await AdminClient.open(options, io)
      if (reference === undefined) {
        const { pins } = await client.get('/api/v1/pins', pinsSchema, io.signal)
        return void io.stdout.write(`${options.json ? JSON.stringify(pins) : pinsText(pins)}\n`)
      }
      const body = {
        reference,
        for: options.for,
        ...(options.platform === undefined ? {} : { platform: options.platform }),
      }
      const pin = await client.post('/api/v1/pins', body, pinSchema, io.signal)
      io.stdout.write(`${options.json ? JSON.stringify(pin) : pinText(pin)}\n`)
    })
}

function pinText({ reference, digest, untilEpochMs, presentBytes, bytes }: PinView): string {
  const until = new Date(untilEpochMs).toISOString()
  return `${reference}: pinned until ${until} (${digest}, ${sizeText(presentBytes)} of ${sizeText(bytes)} here)`
}

function pinsText(pins: readonly PinView[]): string {
  if (pins.length === 0) return 'nothing is pinned'
  const rows = pins.map(({ reference, job, untilEpochMs, presentBytes, bytes, digest }) => [
    reference,
    durationText(Math.max(0, Math.round((untilEpochMs - systemClock.wall()) / 1000))),
    `${sizeText(presentBytes)} of ${sizeText(bytes)}`,
    digest,
    job === null ? 'operator' : `job ${job}`,
  ])
  return plainTable(rows, ['REFERENCE', 'LEFT', 'HERE', 'DIGEST', 'BY'])
}
