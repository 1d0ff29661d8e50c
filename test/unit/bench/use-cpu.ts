/** Uses `ms` of CPU time, however long that takes beside others. */
export function useCpu(ms: number): void {
  const before = process.cpuUsage()
  for (;;) {
    const { user, system } = process.cpuUsage(before)
    if (user + system >= ms * 1000) return
  }
}
