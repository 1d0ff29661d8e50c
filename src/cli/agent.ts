import { Command } from 'commander'
import { z } from 'zod'
import { systemClock } from '../base/clock.ts'
import { takeInheritedSockets } from '../base/inherited-sockets.ts'
import { ownFileShares, requireOpenFiles } from '../base/open-files.ts'
import type { LoadedConfig } from '../config/index.ts'
import { loadConfig } from '../config/index.ts'
import type { CommandIo } from './command-io.ts'
import { collect } from './repeatable.ts'
import { runAgent } from './run-agent.ts'
import { ServiceManager } from './service-manager.ts'

const optionsSchema = z.object({ config: z.string().optional(), set: z.array(z.string()).default([]) })

const HELP = `
Configuration: file < environment (SHOAL_STORE_PATH is store.path) < --set. Every key, with its meaning and default,
is in config/agent.yaml; without --config those defaults hold.

Signals: SIGTERM or SIGINT serves the pulls under way to their end (mirror.drain at most), then stops; a second one
stops at once. SIGHUP reads the configuration again: limits, upstreams (and their credentials files), search, tags,
store.capacity, store.minFree, mirror.drain and log.level are taken up at once; the log says what was, and which other
changes need a restart. With a mistake in the configuration the old one holds, and the log says why.

Under systemd a .socket unit may hold the mirror's port, so that a restart refuses no connection; readiness, the end and a
watchdog are told (Type=notify, NotifyAccess=all).

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
    .description('Runs the daemon: mirror, peer and admin server. Logs go to standard error.')
    .option('--config <file>', 'YAML configuration')
    .option('--set <key=value>', 'override one key, e.g. store.path=/data (repeatable)', collect, [])
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const options = optionsSchema.parse(raw)
      const read = (): Promise<LoadedConfig> => loadConfig({ file: options.config, set: options.set, env: io.env })
      const { config, warnings } = await read()
      const shares = ownFileShares()
      requireOpenFiles(shares)
      // Loaded only now: help and configuration errors need none of it.
      const { ProcessLog, PrometheusRegistry, ShoalNode } = await import('../node/index.ts')
      await using log = new ProcessLog(config.log)
      const { logger } = log
      const warn = (lines: readonly string[]): void => {
        for (const warning of lines) logger.warn({ warning }, 'the configuration works, but should be changed')
      }
      warn(warnings)
      if (shares.isFew) {
        logger.warn({ ...shares }, 'few files may be open (ulimit -n): pulls, links and origins wait for each other')
      }
      const registry = new PrometheusRegistry()
      registry.collectProcessMetrics()
      log.measure(registry)
      const sockets = takeInheritedSockets(process.env, process.pid)
      using manager = new ServiceManager(process.env, { clock: systemClock, logger })
      await runAgent(() => ShoalNode.start(config, { logger, logs: log.level, registry, sockets }), {
        config,
        logger,
        manager,
        signal: io.signal,
        reread: async () => {
          const again = await read()
          warn(again.warnings)
          return again.config
        },
        reloaded: (next) => log.setLevel(next.log.level),
        flushLog: () => log.flush(),
      })
    })
}
