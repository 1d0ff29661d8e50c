import { Command } from 'commander'
import { z } from 'zod'
import { loadConfig } from '../config/index.ts'
import type { CommandIo } from './command-io.ts'
import { runAgent } from './run-agent.ts'

const optionsSchema = z.object({ config: z.string().optional(), set: z.array(z.string()).default([]) })

const HELP = `
Configuration: file < environment (SHOAL_STORE_PATH is store.path) < --set. Every key, with its meaning and default,
is in config/agent.yaml; without --config those defaults hold.

Signals: SIGTERM or SIGINT lets running pulls end (mirror.drain), then stops; a second one stops at once.

Examples:
  shoal agent
  shoal agent --config /etc/shoal/agent.yaml
  shoal agent --set role=cache --set tier.region=eu-1 --set store.capacity=500GiB
  SHOAL_TIER_CACHES=10.0.0.2:7071,10.0.0.3:7071 shoal agent --set fleet.keyFile=/etc/shoal/fleet.key
`

/** `shoal agent`: the daemon, also for `role: cache`. */
export function createCommand(io: CommandIo): Command {
  return new Command('agent')
    .summary('run the daemon')
    .description('Runs the daemon: mirror, peer and admin door. Logs go to standard error.')
    .option('--config <file>', 'YAML configuration')
    .option('--set <key=value>', 'override one key, e.g. store.path=/data (repeatable)', collect, [])
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const options = optionsSchema.parse(raw)
      const { config, warnings } = await loadConfig({ file: options.config, set: options.set, env: io.env })
      // Loaded only now: help and configuration errors need none of it.
      const { createLogger, PrometheusRegistry, ShoalNode } = await import('../node/index.ts')
      const logger = createLogger(config.log)
      for (const warning of warnings) logger.warn({ warning }, 'the configuration works, but should be changed')
      const registry = new PrometheusRegistry()
      registry.collectProcessMetrics()
      await runAgent(() => ShoalNode.start(config, { logger, registry }), { config, logger, signal: io.signal })
    })
}

function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value]
}
