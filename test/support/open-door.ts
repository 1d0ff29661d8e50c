import type { Clock } from '../../src/base/clock.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { Logger } from '../../src/base/log.ts'
import type { MetricRegistry } from '../../src/base/metrics.ts'
import type { MirrorDoorOptions } from '../../src/registry/index.ts'
import { MirrorDoor } from '../../src/registry/index.ts'
import type { MemoryContent } from './memory-content.ts'

/** A mirror door on a free loopback port, and what it counted and logged. */
export interface OpenDoor extends AsyncDisposable {
  readonly door: MirrorDoor
  readonly url: string
  readonly port: number
  readonly sent: { bytes: number }
  /** `name{label="value",...}` -> number of increments or observations. */
  readonly counts: Map<string, number>
  readonly log: { readonly level: string; readonly fields: object; readonly message: string }[]
}

export async function openDoor(
  content: MemoryContent,
  options: Partial<MirrorDoorOptions> = {},
  clock: Clock = systemClock,
): Promise<OpenDoor> {
  const sent = { bytes: 0 }
  const counts = new Map<string, number>()
  const log: OpenDoor['log'] = []
  const door = await MirrorDoor.start(
    { listen: '127.0.0.1:0', search: ['local', 'docker.io'], drainMs: 5_000, ...options },
    {
      content,
      clock,
      logger: recordingLogger(log),
      metrics: recordingMetrics(counts),
      onSent: (bytes) => {
        sent.bytes += bytes
      },
    },
  )
  return {
    door,
    url: door.url,
    port: Number(new URL(door.url).port),
    sent,
    counts,
    log,
    [Symbol.asyncDispose]: () => door[Symbol.asyncDispose](),
  }
}

function recordingLogger(log: OpenDoor['log']): Logger {
  const at = (level: string) => (fields: object, message: string) => {
    log.push({ level, fields, message })
  }
  const logger: Logger = {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  }
  return logger
}

function recordingMetrics(counts: Map<string, number>): MetricRegistry {
  const count = (name: string) => (labels: Readonly<Record<string, string>>) => {
    const text = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
    const key = `${name}{${text.join(',')}}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return {
    counter: (name) => ({ inc: count(name) }),
    gauge: (name) => ({ set: count(name) }),
    histogram: (name) => ({ observe: count(name) }),
  }
}
