import { readdir, readFile, readlink } from 'node:fs/promises'

/** What a process holds. */
export const HOLDINGS = ['memory', 'files', 'sockets'] as const
export type Holding = (typeof HOLDINGS)[number]
/** Memory in MiB, resident; files and sockets are open descriptors. */
export type Sample = Readonly<Record<Holding, number>>

export async function sampleOf(pid: number): Promise<Sample> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
  const names = await readdir(`/proc/${pid}/fd`)
  // one may be closed before it is looked at
  const targets = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')))
  const sockets = targets.filter((target) => target.startsWith('socket:')).length
  return { memory: kib / 1024, files: targets.length - sockets, sockets }
}
