import type { LogSource, LogView } from '../admin/index.ts'
import type { Clock } from '../base/clock.ts'
import type { LogLevelName } from '../base/log.ts'

const LEVELS: Readonly<Record<LogLevelName, number>> = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  silent: Number.POSITIVE_INFINITY,
}

interface Lent {
  readonly level: LogLevelName
  readonly untilEpochMs: number
  readonly timer: Disposable
}

/** What is logged and what is not: as it is configured, or otherwise for a while. */
export class LogLevel implements LogSource {
  readonly #clock: Clock
  #configured: LogLevelName
  #lent: Lent | undefined
  /** Told when the level has become another one. */
  onChange: ((view: LogView) => void) | undefined

  constructor(configured: LogLevelName, clock: Clock) {
    this.#configured = configured
    this.#clock = clock
  }

  /** Whether lines of this level are written. */
  lets(level: LogLevelName): boolean {
    return LEVELS[this.#lent?.level ?? this.#configured] <= LEVELS[level]
  }

  logs(): LogView {
    const configured = this.#configured
    return { level: this.#lent?.level ?? configured, configured, untilEpochMs: this.#lent?.untilEpochMs ?? null }
  }

  /** What the configuration says now; a change of it ends what holds for a while. */
  configure(level: LogLevelName): void {
    if (level === this.#configured) return
    this.#configured = level
    this.#giveBack()
  }

  lendLevel(level: LogLevelName, forMs: number): LogView {
    this.#lent?.timer[Symbol.dispose]()
    const timer = this.#clock.after(forMs, () => this.#giveBack())
    this.#lent = { level, untilEpochMs: this.#clock.wall() + forMs, timer }
    this.onChange?.(this.logs())
    return this.logs()
  }

  #giveBack(): void {
    const before = this.logs().level
    this.#lent?.timer[Symbol.dispose]()
    this.#lent = undefined
    if (before !== this.#configured) this.onChange?.(this.logs())
  }
}
