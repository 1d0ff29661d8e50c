import type { Clock } from '../../src/base/clock.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { Logger } from '../../src/base/log.ts'
import type { MetricRegistry } from '../../src/base/metrics.ts'
import type { MirrorServerOptions } from '../../src/registry/index.ts'
import { MirrorServer } from '../../src/registry/index.ts'
import { ANY_PORT } from './address-of.ts'
import type { MemoryContent } from './memory-content.ts'

/** A mirror server on a free loopback port, and what it counted and logged. */
export interface OpenMirror extends AsyncDisposable {
  readonly server: MirrorServer
  readonly url: string
  readonly port: number
  readonly sent: { bytes: number }
  /** `name{label="value",...}` -> number of increments or observations. */
  readonly counts: Map<string, number>
  readonly log: { readonly level: string; readonly fields: object; readonly message: string }[]
}

export async function openMirror(
  content: MemoryContent,
  options: Partial<MirrorServerOptions> = {},
  clock: Clock = systemClock,
): Promise<OpenMirror> {
  const sent = { bytes: 0 }
  const counts = new Map<string, number>()
  const log: OpenMirror['log'] = []
  const server = await MirrorServer.start(
    { listen: ANY_PORT, search: ['local', 'docker.io'], drainMs: 5_000, ...options },
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
    server,
    url: server.url,
    port: Number(new URL(server.url).port),
    sent,
    counts,
    log,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

function recordingLogger(log: OpenMirror['log']): Logger {
  const at = (level: string) => (fields: object, message: string) => {
    log.push({ level, fields, message })
  }
  const logger: Logger = {
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
