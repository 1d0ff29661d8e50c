import { raceAbort } from '../base/abort.ts'
import { errorText } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Config } from '../config/index.ts'
import type { ReloadReport } from '../node/index.ts'
import { Hangups } from './hangups.ts'
import type { ServiceManager } from './service-manager.ts'

/** How long the rest of a shutdown may take after the drain, before the process is ended anyway. */
const STOP_GRACE_MS = 10_000

/** A daemon that is up. */
export interface RunningNode extends AsyncDisposable {
  /** Where its servers listen, as `host:port`. */
  readonly addresses: { readonly mirror: string; readonly peer: string; readonly admin: string }
  /** Takes up what can be taken up of a configuration. */
  reload(config: Config): Promise<ReloadReport>
  /** Takes no new pulls and resolves when the running ones have ended. */
  drain(): Promise<void>
}

interface AgentRun {
  readonly config: Pick<Config, 'mirror'>
  readonly logger: Logger
  /** Whoever started this process and may want to know how it is. */
  readonly manager: Pick<ServiceManager, 'ready' | 'stopping'>
  /** Reads the configuration again, from where it came the first time. Throws `CONFIG_INVALID`. */
  readonly reread: () => Promise<Config>
  /** Told of each configuration that is taken up. */
  readonly reloaded: (config: Config) => void
  /** Gives the last log lines a moment to leave; does not reject. */
  readonly flushLog: () => Promise<void>
  /** Aborts when the process is asked to stop. */
  readonly signal: AbortSignal
}

/**
 * Starts a node and keeps it until the signal; then drains and stops it. Meanwhile SIGHUP has it read its configuration
 * again. Rejects when it cannot start or stop.
 */
export async function runAgent(start: () => Promise<RunningNode>, run: AgentRun): Promise<void> {
  const { logger, manager, signal } = run
  let { drainMs } = run.config.mirror
  using _crashes = endOnCrash(run)
  using _debugger = keepDebuggerShut()
  const starting = start()
  using _hangups = new Hangups(async () => {
    const config = await reload(starting, run)
    if (config !== undefined) drainMs = config.mirror.drainMs
  })
  await using node = await starting
  logger.info({ ...node.addresses }, 'ready')
  manager.ready()
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  manager.stopping()
  endIfStuck(run, drainMs + STOP_GRACE_MS)
  logger.info({ drainMs }, 'stopping: running pulls may end')
  await drain(node, drainMs, logger)
  logger.info({}, 'stopped taking pulls; closing')
}

/** Returns the configuration in force now; undefined when it is the old one. Never rejects. */
async function reload(starting: Promise<RunningNode>, run: AgentRun): Promise<Config | undefined> {
  const { logger, reread, reloaded } = run
  try {
    const node = await starting
    const config = await reread()
    const report = await node.reload(config)
    reloaded(config)
    logger.info({ ...report }, reloadMessage(report))
    return config
  } catch (error) {
    logger.error(
      { err: error, reason: errorText(error) },
      'SIGHUP: the configuration was not taken up; the old one holds',
    )
    return undefined
  }
}

function reloadMessage({ applied, needRestart }: ReloadReport): string {
  if (applied.length === 0 && needRestart.length === 0) return 'SIGHUP: nothing in the configuration has changed'
  const rest = needRestart.length === 0 ? '' : '; some of it needs a restart'
  return applied.length === 0 ? 'SIGHUP: what has changed needs a restart' : `SIGHUP: configuration taken up${rest}`
}

async function drain(node: RunningNode, drainMs: number, logger: Logger): Promise<void> {
  const deadline = AbortSignal.timeout(drainMs)
  try {
    await raceAbort(node.drain(), deadline)
  } catch (error) {
    if (!deadline.aborted) throw error
    logger.warn({}, 'some pulls did not end in time and are cut')
  }
}

/** By default this signal opens a debugger's port, through which every user of the host could be the agent. */
function keepDebuggerShut(): Disposable {
  const ignore = (): void => {}
  process.on('SIGUSR1', ignore)
  return { [Symbol.dispose]: () => void process.off('SIGUSR1', ignore) }
}

/** A state nobody foresaw is left at once: the supervisor starts a new process, the store recovers by itself. */
function endOnCrash({ logger, flushLog }: AgentRun): Disposable {
  const onCrash = (error: unknown): void => {
    logger.error({ err: error, reason: errorText(error) }, 'an unexpected error; the process ends')
    void flushLog().finally(() => process.exit(1))
  }
  process.on('uncaughtException', onCrash)
  process.on('unhandledRejection', onCrash)
  return {
    [Symbol.dispose]() {
      process.off('uncaughtException', onCrash)
      process.off('unhandledRejection', onCrash)
    },
  }
}

/** The last resort: does nothing when the process ends by itself before. */
function endIfStuck({ logger, flushLog }: AgentRun, afterMs: number): void {
  const timer = setTimeout(() => {
    logger.error({ afterMs }, 'the shutdown is stuck; the process ends')
    void flushLog().finally(() => process.exit(1))
  }, afterMs)
  timer.unref()
}
