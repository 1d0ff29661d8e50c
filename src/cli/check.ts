import { Command } from 'commander'
import { z } from 'zod'
import { loadConfig, redact } from '../config/index.ts'
import type { CommandIo } from './command-io.ts'
import { collect } from './repeatable.ts'

const optionsSchema = z.object({
  config: z.string().optional(),
  set: z.array(z.string()).default([]),
  json: z.boolean().default(false),
})

const HELP = `
Reads what the agent would read (file < environment < --set) and says what is wrong, with file and line: exit code 2.
Nothing is started, opened or written.

Examples:
  shoal check --config /etc/shoal/agent.yaml
  shoal check --config agent.yaml --set role=cache --json
`

/** `shoal check`: a configuration, without starting. */
export function createCommand(io: CommandIo): Command {
  return new Command('check')
    .summary('check a configuration without starting')
    .description('Checks a configuration as `shoal agent` would at its start.')
    .option('--config <file>', 'YAML configuration')
    .option('--set <key=value>', 'override one key, e.g. store.path=/data (repeatable)', collect, [])
    .option('--json', 'print one JSON object: the configuration as it holds, without secrets, and the warnings')
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const options = optionsSchema.parse(raw)
      const { config, warnings } = await loadConfig({ file: options.config, set: options.set, env: io.env })
      if (options.json) {
        io.stdout.write(`${JSON.stringify({ ok: true, warnings, config: redact(config) })}\n`)
        return
      }
      for (const warning of warnings) io.stderr.write(`warning: ${warning}\n`)
      const { role, tier, upstreams } = config
      const names = upstreams.map(({ name }) => name).join(', ')
      io.stdout.write(`ok: ${role} in region ${tier.region}, upstreams ${names}\n`)
    })
}
