import { raceAbort } from '../base/abort.ts'
import { errorText } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Config } from '../config/index.ts'

/** How long the rest of a shutdown may take after the drain, before the process is ended anyway. */
const STOP_GRACE_MS = 10_000

/** A daemon that is up. */
export interface RunningNode extends AsyncDisposable {
  /** Where its doors listen, as `host:port`. */
  readonly addresses: { readonly mirror: string; readonly peer: string; readonly admin: string }
  /** Takes no new pulls and resolves when the running ones have ended. */
  drain(): Promise<void>
}

export interface AgentRun {
  readonly config: Pick<Config, 'mirror'>
  readonly logger: Logger
  /** Aborts when the process is asked to stop. */
  readonly signal: AbortSignal
}

/** Starts a node and keeps it until the signal; then drains and stops it. Rejects when it cannot start or stop. */
export async function runAgent(start: () => Promise<RunningNode>, run: AgentRun): Promise<void> {
  const { config, logger, signal } = run
  using _crashes = endOnCrash(logger)
  await using node = await start()
  logger.info({ ...node.addresses }, 'ready')
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  endIfStuck(logger, config.mirror.drainMs + STOP_GRACE_MS)
  logger.info({ drainMs: config.mirror.drainMs }, 'stopping: running pulls may end')
  await drain(node, run)
  logger.info({}, 'stopped taking pulls; closing')
}

async function drain(node: RunningNode, { config, logger }: AgentRun): Promise<void> {
  const deadline = AbortSignal.timeout(config.mirror.drainMs)
  try {
    await raceAbort(node.drain(), deadline)
  } catch (error) {
    if (!deadline.aborted) throw error
    logger.warn({}, 'some pulls did not end in time and are cut')
  }
}

/** A state nobody foresaw is left at once: the supervisor starts a new process, the store recovers by itself. */
function endOnCrash(logger: Logger): Disposable {
  const onCrash = (error: unknown): void => {
    logger.error({ err: error, reason: errorText(error) }, 'an unexpected error; the process ends')
    process.exit(1)
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
function endIfStuck(logger: Logger, afterMs: number): void {
  const timer = setTimeout(() => {
    logger.error({ afterMs }, 'the shutdown is stuck; the process ends')
    process.exit(1)
  }, afterMs)
  timer.unref()
}
