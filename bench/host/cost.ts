import type { Cost, CpuSeconds } from './tasks.ts'

/** What this process has used since it began, or since `before`. */
export function usedCpu(before?: NodeJS.CpuUsage): CpuSeconds {
  const { user, system } = process.cpuUsage(before)
  return { user: user / 1e6, system: system / 1e6 }
}

/** What `work` costs this process. */
export async function costOf(work: () => Promise<void>): Promise<Cost> {
  const [before, startMs] = [process.cpuUsage(), performance.now()]
  await work()
  return { seconds: (performance.now() - startMs) / 1000, cpu: usedCpu(before) }
}
