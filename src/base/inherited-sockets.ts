/** Where the descriptors begin that a service manager hands over. */
const FIRST_FD = 3
const MAX_FDS = 64

/**
 * The listening sockets that a service manager has opened for this process (sd_listen_fds(3)), by their names
 * (FileDescriptorName= of a .socket unit). A single one is called `mirror`, whatever its unit calls it. Empty when the
 * variables are meant for another process. They are taken out of `env`, so that no child takes them for its own.
 */
export function takeInheritedSockets(env: NodeJS.ProcessEnv, pid: number): ReadonlyMap<string, number> {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = env
  delete env.LISTEN_PID
  delete env.LISTEN_FDS
  delete env.LISTEN_FDNAMES
  const count = Number(LISTEN_FDS)
  if (Number(LISTEN_PID) !== pid || !Number.isInteger(count) || count < 1 || count > MAX_FDS) return new Map()
  if (count === 1) return new Map([['mirror', FIRST_FD]])
  const names = (LISTEN_FDNAMES ?? '').split(':')
  return new Map(Array.from({ length: count }, (_, i) => [names[i] ?? `unnamed-${i}`, FIRST_FD + i]))
}
