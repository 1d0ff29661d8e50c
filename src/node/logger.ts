import type { Writable } from 'node:stream'
import { isatty } from 'node:tty'
import type { LoggerOptions } from 'pino'
import { pino, stdSerializers, stdTimeFunctions } from 'pino'
import pretty, { prettyFactory } from 'pino-pretty'
import type { LogSource } from '../admin/index.ts'
import { systemClock } from '../base/clock.ts'
import { errnoCode } from '../base/errno.ts'
import { errorText, isShoalError } from '../base/errors.ts'
import type { Logger, LogLevelName } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import { LogLevel } from './log-level.ts'
import { LogSink } from './log-sink.ts'

interface LogOptions {
  readonly level: LogLevelName
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
  readonly #level: LogLevel

  constructor(options: LogOptions, fd = 2) {
    this.#sink = new LogSink(fd)
    this.#level = new LogLevel(options.level, systemClock)
    const toText = options.pretty === true || (options.pretty === 'auto' && isatty(fd)) ? prettyFactory({}) : undefined
    const sink = this.#sink
    const stream = toText === undefined ? sink : { write: (line: string): void => sink.write(toText(line)) }
    this.logger = new LevelledLogger(pino(settings('trace'), stream), this.#level)
    this.#level.onChange = (view) => this.logger.info({ ...view }, 'the log level has changed')
    sink.onResumed = (dropped) => this.logger.warn({ dropped }, 'log entries could not be written and were dropped')
  }

  /** Its level, for the admin server. */
  get level(): LogSource {
    return this.#level
  }

  /** What is below this level is not logged from here on, by any component. */
  setLevel(level: LogOptions['level']): void {
    this.#level.configure(level)
  }

  /** Declares how many lines have been lost. */
  measure(registry: MetricRegistry): void {
    const help = 'Log lines that could not be written: nobody reads them, or their disk is full.'
    const counter = registry.counter('shoal_log_dropped_total', help, {})
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
  const stream = options.pretty === true ? pretty({ destination, sync: true }) : destination
  return new LevelledLogger(pino(settings('trace'), stream), new LogLevel(options.level, systemClock))
}

function settings(level: LogOptions['level']): LoggerOptions {
  return {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    redact: { paths: REDACTED_PATHS, censor: '(hidden)' },
    serializers: { err: thrown },
    formatters: { level: (label) => ({ level: label }) },
  }
}

/** One shape for all that is thrown. What was foreseen says what happened; of the rest it counts where. */
function thrown(value: unknown): object {
  if (value instanceof Error && isForeseen(value)) {
    const { name: type, message } = value
    return { type, code: errnoCode(value), message }
  }
  if (!isShoalError(value)) return stdSerializers.err(value instanceof Error ? value : new Error(String(value)))
  const { name: type, code, message, details, cause } = value
  return { ...details, type, code, message, cause: cause === undefined ? undefined : errorText(cause) }
}

/** What LevelDB says of its disk. */
const DATABASE_FAULTS: ReadonlySet<string | undefined> = new Set(['LEVEL_IO_ERROR', 'LEVEL_CORRUPTION'])

/** What the system and the disk refuse, and time that runs out: where that was noticed tells nothing. */
function isForeseen(error: Error): boolean {
  return error instanceof DOMException || 'syscall' in error || DATABASE_FAULTS.has(errnoCode(error))
}

/**
 * A pino logger whose children follow one level that can change, and whose fields stand once in a line: pino's own children
 * keep the level they were made with, and repeat a field that is given again.
 */
class LevelledLogger implements Logger {
  readonly #root: Logger
  readonly #pino: Logger
  readonly #level: LogLevel
  readonly #fields: Readonly<Record<string, unknown>>

  constructor(root: Logger, level: LogLevel, fields: Readonly<Record<string, unknown>> = {}) {
    this.#root = root
    this.#pino = root.child(fields)
    this.#level = level
    this.#fields = fields
  }

  debug(fields: object, message: string): void {
    if (this.#level.lets('debug')) this.#pino.debug(fields, message)
  }

  info(fields: object, message: string): void {
    if (this.#level.lets('info')) this.#pino.info(fields, message)
  }

  warn(fields: object, message: string): void {
    if (this.#level.lets('warn')) this.#pino.warn(fields, message)
  }

  error(fields: object, message: string): void {
    if (this.#level.lets('error')) this.#pino.error(fields, message)
  }

  child(fields: Record<string, unknown>): Logger {
    return new LevelledLogger(this.#root, this.#level, { ...this.#fields, ...fields })
  }
}
