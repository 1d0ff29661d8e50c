import type { Writable } from 'node:stream'
import type { LoggerOptions } from 'pino'
import { pino, stdTimeFunctions } from 'pino'
import pretty from 'pino-pretty'
import type { Logger } from '../base/log.ts'

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

/** The process's log, on standard error. `destination` is for tests. */
export function createLogger(options: LogOptions, destination?: Writable): Logger {
  const settings: LoggerOptions = {
    level: options.level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    redact: { paths: REDACTED_PATHS, censor: '(hidden)' },
    formatters: { level: (label) => ({ level: label }) },
  }
  const isPretty = options.pretty === 'auto' ? process.stderr.isTTY === true : options.pretty
  if (destination !== undefined) return pino(settings, isPretty ? pretty({ destination, sync: true }) : destination)
  // Synchronous writes: the last entries before a crash are the ones that matter.
  return pino(settings, isPretty ? pretty({ destination: 2, sync: true }) : pino.destination({ dest: 2, sync: true }))
}
