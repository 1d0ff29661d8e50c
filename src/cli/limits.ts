import { Command } from 'commander'
import { z } from 'zod'
import type { Limits } from '../admin/index.ts'
import { limitsSchema } from '../admin/index.ts'
import { ShoalError } from '../base/errors.ts'
import { parseRateBytesPerSec } from '../base/quantity.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { plainTable } from './plain-table.ts'
import { rateText } from './quantity-text.ts'

/** What each limit bounds, in the order it is shown. */
const MEANINGS: Readonly<Record<keyof Limits, string>> = {
  download: 'content that comes to this host',
  upload: 'content that this host gives to others',
  origin: 'of that, what it takes from origins',
  prewarm: 'of that, what prewarm jobs take',
}

const rate = z.string().optional()
const optionsSchema = adminOptionsSchema.extend({
  upload: rate,
  download: rate,
  origin: rate,
  prewarm: rate,
  json: z.boolean().default(false),
})

const HELP = `
A change holds until the agent stops; the configuration's limits.* are what it starts with.

Examples:
  shoal limits
  shoal limits --upload 100MiB --origin 20MiB
  shoal limits --upload 0        no limit
`

/** `shoal limits`: shows and changes how fast a running host may be. */
export function createCommand(io: CommandIo): Command {
  const command = withAdminOptions(new Command('limits'))
    .summary('show or change how fast a host may be')
    .description('Shows the limits of a running host, and changes those that are given.')
  for (const [name, meaning] of Object.entries(MEANINGS)) {
    command.option(`--${name} <bytes per second>`, `${meaning}; 0 for no limit`)
  }
  return command
    .option('--json', 'print one JSON object, in bytes per second')
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const options = optionsSchema.parse(raw)
      const changes = changesOf(options)
      const client = await AdminClient.open(options, io)
      const limits = await (Object.keys(changes).length === 0
        ? client.get('/api/v1/limits', limitsSchema, io.signal)
        : client.patch('/api/v1/limits', changes, limitsSchema, io.signal))
      io.stdout.write(`${options.json ? JSON.stringify(limits) : limitsText(limits)}\n`)
    })
}

function changesOf(options: z.infer<typeof optionsSchema>): Partial<Record<keyof Limits, number>> {
  const changes: Partial<Record<keyof Limits, number>> = {}
  for (const name of limitNames()) {
    const text = options[name]
    if (text === undefined) continue
    const bytesPerSec = parseRateBytesPerSec(text)
    if (bytesPerSec === undefined) {
      throw new ShoalError('CONFIG_INVALID', `--${name} ${text}: no rate such as 100MiB, or 0 for no limit`)
    }
    changes[name] = bytesPerSec
  }
  return changes
}

function limitsText(limits: Limits): string {
  const value = (bytesPerSec: number): string => (bytesPerSec === 0 ? 'no limit' : rateText(bytesPerSec))
  return plainTable(limitNames().map((name) => [name, value(limits[name]), MEANINGS[name]]))
}

function limitNames(): (keyof Limits)[] {
  return Object.keys(MEANINGS) as (keyof Limits)[]
}
