import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks since boot over all cores, of /proc/stat's first line. */
export interface CpuTicks {
  readonly total: number
  readonly idle: number
  readonly softirq: number
}

/** Shares of all cores over a stretch of time, 0..1. */
export interface CpuUsage {
  readonly busy: number
  readonly softirq: number
  /** Used by processes that were not named: other work on the machine, which spoils a measurement. */
  readonly foreign: number
  /** The busiest of the named processes, in cores: 1 = a whole core. */
  readonly busiestProcess: { readonly name: string; readonly cores: number }
  /** CPU seconds of the named processes, by name. */
  readonly seconds: Readonly<Record<string, number>>
}

/** Linux reports times to user space in hundredths of a second whatever its own tick is. */
const TICKS_PER_SECOND = 100

/** Reads /proc/stat's first line: user nice system idle iowait irq softirq steal. */
export function parseCpuTicks(stat: string): CpuTicks {
  const fields = stat.split('\n', 1)[0]?.trim().split(/\s+/).slice(1, 9).map(Number) ?? []
  const [, , , idle = 0, iowait = 0, , softirq = 0] = fields
  return { total: fields.reduce((sum, ticks) => sum + ticks, 0), idle: idle + iowait, softirq }
}

/** User and system ticks of a /proc/<pid>/stat line, whose second field may contain anything. */
export function parseProcessTicks(stat: string): { readonly user: number; readonly system: number } {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { user: Number(fields[11] ?? 0), system: Number(fields[12] ?? 0) }
}

/** CPU seconds that a process, all its threads, has used so far. Throws when it is gone. */
export function processCpuSeconds(pid: number): { readonly user: number; readonly system: number } {
  const { user, system } = parseProcessTicks(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  return { user: user / TICKS_PER_SECOND, system: system / TICKS_PER_SECOND }
}

/** CPU seconds that each thread of a process has used, from `start` on. */
export class ThreadMeter {
  readonly #pid: number
  readonly #begin: ReadonlyMap<string, Thread>

  private constructor(pid: number) {
    this.#pid = pid
    this.#begin = readThreads(pid)
  }

  static start(pid: number): ThreadMeter {
    return new ThreadMeter(pid)
  }

  /** The one that has used most until now: what it does, one after the other, nothing can make go faster. */
  busiest(): BusiestThread {
    let most: BusiestThread = { name: 'none', seconds: 0 }
    for (const [id, { name, ticks }] of readThreads(this.#pid)) {
      const seconds = (ticks - (this.#begin.get(id)?.ticks ?? 0)) / TICKS_PER_SECOND
      if (seconds > most.seconds) most = { name, seconds }
    }
    return most
  }
}

interface Thread {
  readonly name: string
  readonly ticks: number
}

/** A thread, by the name its program gives it. */
export interface BusiestThread {
  readonly name: string
  readonly seconds: number
}

/** Measures the machine and named processes from `start` to `stop`. */
export class CpuMeter {
  readonly #pids: ReadonlyMap<string, number>
  readonly #begin: CpuTicks
  readonly #processes: ReadonlyMap<string, number>
  readonly #startedAt = performance.now()

  private constructor(pids: ReadonlyMap<string, number>) {
    this.#pids = pids
    this.#begin = readTicks()
    this.#processes = readProcesses(pids)
  }

  static start(pids: ReadonlyMap<string, number>): CpuMeter {
    return new CpuMeter(pids)
  }

  /** Processes that ended meanwhile count what they used only as foreign. */
  stop(): CpuUsage {
    const elapsed = (performance.now() - this.#startedAt) / 1000
    const now = readTicks()
    const total = Math.max(1, now.total - this.#begin.total)
    const busyTicks = total - (now.idle - this.#begin.idle)
    const softirqTicks = now.softirq - this.#begin.softirq
    const seconds: Record<string, number> = {}
    for (const [name, ticks] of readProcesses(this.#pids)) {
      seconds[name] = (ticks - (this.#processes.get(name) ?? 0)) / TICKS_PER_SECOND
    }
    const ours = Object.values(seconds).reduce((sum, one) => sum + one, 0) * TICKS_PER_SECOND
    const [name = 'none', most = 0] = Object.entries(seconds).sort(([, a], [, b]) => b - a)[0] ?? []
    return {
      busy: busyTicks / total,
      softirq: softirqTicks / total,
      foreign: Math.max(0, busyTicks - softirqTicks - ours) / total,
      busiestProcess: { name, cores: most / elapsed },
      seconds,
    }
  }
}

/** The largest resident set a process ever had, in bytes; undefined once it is gone. */
export function peakRssBytes(pid: number): number | undefined {
  return statusBytes(pid, /^VmHWM:\s+(\d+) kB$/m)
}

/** The resident set it has now. */
export function rssBytes(pid: number): number | undefined {
  return statusBytes(pid, /^VmRSS:\s+(\d+) kB$/m)
}

function statusBytes(pid: number, line: RegExp): number | undefined {
  try {
    const match = line.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return match === null ? undefined : Number(match[1]) * 1024
  } catch {
    return undefined
  }
}

function readThreads(pid: number): Map<string, Thread> {
  const found = new Map<string, Thread>()
  for (const id of readdirSync(`/proc/${pid}/task`)) {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${id}/stat`, 'utf8')
      const { user, system } = parseProcessTicks(stat)
      found.set(id, { name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')), ticks: user + system })
    } catch {
      // It has ended.
    }
  }
  return found
}

function readTicks(): CpuTicks {
  return parseCpuTicks(readFileSync('/proc/stat', 'utf8'))
}

function readProcesses(pids: ReadonlyMap<string, number>): Map<string, number> {
  const found = new Map<string, number>()
  for (const [name, pid] of pids) {
    try {
      const { user, system } = parseProcessTicks(readFileSync(`/proc/${pid}/stat`, 'utf8'))
      found.set(name, user + system)
    } catch {
      // It has ended.
    }
  }
  return found
}
