import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'

/** Where and when numbers were taken: a number without it cannot be compared. */
export interface Machine {
  /** The commit, with `+` when the tree has changes; `unknown` outside of a checkout. */
  readonly commit: string
  readonly kernel: string
  readonly cores: number
  readonly cpu: string
  readonly memoryGiB: number
  readonly congestionControl: string
  readonly node: string
  /** ISO 8601. */
  readonly date: string
}

export function describeMachine(): Machine {
  const processors = cpus()
  return {
    commit: commit(),
    kernel: release(),
    cores: processors.length,
    cpu: processors[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    congestionControl: readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim(),
    node: process.version,
    date: new Date().toISOString(),
  }
}

function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    const changed = git('status', '--porcelain', '--untracked-files=no').trim() !== ''
    return git('rev-parse', '--short=12', 'HEAD').trim() + (changed ? '+' : '')
  } catch {
    return 'unknown'
  }
}
