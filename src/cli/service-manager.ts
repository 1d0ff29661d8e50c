import { execFile } from 'node:child_process'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'

/** The program that speaks sd_notify(3) for this process: Node has no datagram sockets of the kind it takes. */
const PROGRAM = 'systemd-notify'
const TIME_LIMIT_MS = 5_000

/**
 * Tells a service manager how this process is (sd_notify(3)): ready, reloading, stopping, and alive, if it keeps a watchdog.
 * Does nothing without one. The unit needs `NotifyAccess=all`. The watchdog's sign of life comes from the event loop: a
 * process whose loop is stuck gives none and is started again.
 */
export class ServiceManager implements Disposable {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #isThere: boolean
  readonly #watchdogMs: number
  #timer: Disposable | undefined
  #failed = false

  constructor(env: NodeJS.ProcessEnv, deps: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = deps.clock
    this.#logger = deps.logger
    this.#isThere = env.NOTIFY_SOCKET !== undefined
    const isOurs = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === process.pid
    this.#watchdogMs = isOurs ? Number(env.WATCHDOG_USEC ?? 0) / 1000 : 0
  }

  ready(): void {
    this.#tell('--ready')
    if (this.#isThere && this.#watchdogMs > 0) this.#watch()
  }

  stopping(): void {
    this.#tell('STOPPING=1')
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]()
  }

  /** Twice as often as asked for, as sd_watchdog_enabled(3) advises. */
  #watch(): void {
    this.#timer = this.#clock.after(this.#watchdogMs / 2, () => {
      this.#tell('WATCHDOG=1')
      this.#watch()
    })
  }

  #tell(word: string): void {
    if (!this.#isThere) return
    execFile(PROGRAM, [`--pid=${process.pid}`, word], { timeout: TIME_LIMIT_MS }, (error) => {
      if (error === null || this.#failed) return
      this.#failed = true
      this.#logger.warn({ err: error }, 'the service manager cannot be told how this process is')
    })
  }
}
