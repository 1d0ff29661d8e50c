import { Command } from 'commander'
import { z } from 'zod'
import type { LogView } from '../admin/index.ts'
import { logSchema } from '../admin/index.ts'
import { systemClock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { LOG_LEVELS } from '../base/log.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { durationText } from './quantity-text.ts'

const API = '/api/v1/logs'
const optionsSchema = adminOptionsSchema.extend({ for: z.string().optional(), json: z.boolean().default(false) })

const HELP = `
A change holds for a while; then the configuration's log.level holds again, as it does after a restart.

Examples:
  shoal logs level
  shoal logs level debug              for ten minutes
  shoal logs level debug --for 1h
`

/** `shoal logs`: what a running agent logs. */
export function createCommand(io: CommandIo): Command {
  const command = new Command('logs').summary('show or change what an agent logs')
  return command.description('Shows or changes what a running agent logs.').addCommand(levelCommand(io))
}

function levelCommand(io: CommandIo): Command {
  return withAdminOptions(new Command('level'))
    .summary('show the level, or change it for a while')
    .argument('[level]', LOG_LEVELS.join(', '))
    .option('--for <time>', 'how long, up to 24h (default: 10m)')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(async (level: string | undefined, raw: unknown) => {
      const options = optionsSchema.parse(raw)
      const changes = changesOf(level, options.for)
      const client = await AdminClient.open(options, io)
      const view = await (changes === undefined
        ? client.get(API, logSchema, io.signal)
        : client.patch(API, changes, logSchema, io.signal))
      io.stdout.write(`${options.json ? JSON.stringify(view) : logsText(view)}\n`)
    })
}

function changesOf(level: string | undefined, time: string | undefined): object | undefined {
  if (level === undefined) {
    if (time === undefined) return undefined
    throw new ShoalError('CONFIG_INVALID', '--for: say which level, such as debug')
  }
  if (LOG_LEVELS.some((known) => known === level)) return { level, for: time }
  throw new ShoalError('CONFIG_INVALID', `"${level}" is no log level; there are ${LOG_LEVELS.join(', ')}`)
}

function logsText({ level, configured, untilEpochMs }: LogView): string {
  if (untilEpochMs === null) return level
  const seconds = Math.max(0, (untilEpochMs - systemClock.wall()) / 1_000)
  return `${level} for ${durationText(seconds)}, then ${configured} again`
}
