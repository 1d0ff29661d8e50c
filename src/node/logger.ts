import type { Writable } from 'node:stream'
import { isatty } from 'node:tty'
import type { LoggerOptions } from 'pino'
import { pino, stdTimeFunctions } from 'pino'
import pretty, { prettyFactory } from 'pino-pretty'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import { LogSink } from './log-sink.ts'

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** For eyes (true), one JSON object per line (false), or as standard error is a terminal or not. */
  readonly pretty: boolean | 'auto'
}

/** Where secrets travel: as a field itself, among headers, or one level further in. */
const SECRET_FIELDS = ['authorization', 'proxy-authorization', 'cookie', 'password', 'token', 'secretAccessKey']
const REDACTED_PATHS = SECRET_FIELDS.flatMap((name) => {
  const key = name.includes('-') ? `["${name}"]` : `.${name}`
  return ['', '*', '*.*', 'headers', 'req.headers'].map((parent) => `${parent}${key}`.replace(/^\./, ''))
})

/** How long the end of the process waits for a reader of its last lines. */
const LAST_LINES_MS = 500

/** The process's log, on standard error. */
export class ProcessLog implements AsyncDisposable {
  readonly logger: Logger
  readonly #sink: LogSink
  readonly #level: SharedLevel

  constructor(options: LogOptions, fd = 2) {
    this.#sink = new LogSink(fd)
    this.#level = { least: LEVELS[options.level] }
    const toText = options.pretty === true || (options.pretty === 'auto' && isatty(fd)) ? prettyFactory({}) : undefined
    const sink = this.#sink
    const stream = toText === undefined ? sink : { write: (line: string): void => sink.write(toText(line)) }
    this.logger = new LevelledLogger(pino(settings('trace'), stream), this.#level)
    sink.onResumed = (dropped) => this.logger.warn({ dropped }, 'log entries could not be written and were dropped')
  }

  /** What is below this level is not logged from here on, by any component. */
  setLevel(level: LogOptions['level']): void {
    this.#level.least = LEVELS[level]
  }

  /** Declares how many lines have been lost. */
  measure(registry: MetricRegistry): void {
    const help = 'Log lines that could not be written: nobody reads them, or their disk is full.'
    const counter = registry.counter('shoal_log_dropped_total', help, [])
    counter.inc({}, this.#sink.dropped)
    this.#sink.onDropped = (lines) => counter.inc({}, lines)
  }

  /** Gives what is written by now a moment to leave. */
  flush(): Promise<void> {
    return this.#sink.flush(LAST_LINES_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush()
    this.#sink[Symbol.dispose]()
  }
}

/** A logger that writes to `destination`, for tests. */
export function createLogger(options: LogOptions, destination: Writable): Logger {
  const isPretty = options.pretty === true
  return pino(settings(options.level), isPretty ? pretty({ destination, sync: true }) : destination)
}

function settings(level: LogOptions['level']): LoggerOptions {
  return {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    redact: { paths: REDACTED_PATHS, censor: '(hidden)' },
    formatters: { level: (label) => ({ level: label }) },
  }
}

const LEVELS: Readonly<Record<LogOptions['level'], number>> = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  silent: Number.POSITIVE_INFINITY,
}

interface SharedLevel {
  least: number
}

/** A pino logger whose children follow one level that can change: pino's own children keep the level they were made with. */
class LevelledLogger implements Logger {
  readonly #pino: Logger
  readonly #level: SharedLevel

  constructor(to: Logger, level: SharedLevel) {
    this.#pino = to
    this.#level = level
  }

  trace(fields: object, message: string): void {
    if (this.#level.least <= LEVELS.trace) this.#pino.trace(fields, message)
  }

  debug(fields: object, message: string): void {
    if (this.#level.least <= LEVELS.debug) this.#pino.debug(fields, message)
  }

  info(fields: object, message: string): void {
    if (this.#level.least <= LEVELS.info) this.#pino.info(fields, message)
  }

  warn(fields: object, message: string): void {
    if (this.#level.least <= LEVELS.warn) this.#pino.warn(fields, message)
  }

  error(fields: object, message: string): void {
    if (this.#level.least <= LEVELS.error) this.#pino.error(fields, message)
  }

  child(fields: Record<string, unknown>): Logger {
    return new LevelledLogger(this.#pino.child(fields), this.#level)
  }
}
