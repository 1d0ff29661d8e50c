import { ShoalError } from '../../src/base/errors.ts'
import { isRunning, OWN_PREFIX, ownerOf } from '../support/scratch.ts'
import { runCommand } from './command.ts'

/**
 * Network namespaces of this run, named after its pid. Disposing removes them, and their links with them; what earlier
 * runs left behind is removed at the start.
 */
export class Namespaces implements AsyncDisposable {
  readonly #names = new Set<string>()

  private constructor() {}

  /** Throws `UNAVAILABLE` where namespaces cannot be made. */
  static async open(): Promise<Namespaces> {
    await requireTools()
    for (const name of await existing()) {
      const owner = ownerOf(name)
      // another run that begins may remove it as well
      if (owner !== undefined && !isRunning(owner)) await remove(name).catch(() => {})
    }
    return new Namespaces()
  }

  /** Makes one with its loopback up, and answers its full name. */
  async add(name: string): Promise<string> {
    const full = `${OWN_PREFIX}${process.pid}-${name}`
    await runCommand('ip', 'netns', 'add', full)
    this.#names.add(full)
    await runCommand('ip', '-n', full, 'link', 'set', 'lo', 'up')
    return full
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const names = [...this.#names]
    this.#names.clear()
    const outcomes = await Promise.allSettled(names.map(remove))
    const failure = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failure !== undefined) throw failure.reason
  }
}

async function requireTools(): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new ShoalError('UNAVAILABLE', 'this benchmark makes network namespaces: run it as root')
  }
  for (const [tool, flag] of [
    ['ip', '-V'],
    ['tc', '-V'],
  ] as const) {
    try {
      await runCommand(tool, flag)
    } catch (cause) {
      throw new ShoalError('UNAVAILABLE', `this benchmark needs ${tool}: install iproute2`, { cause })
    }
  }
}

async function existing(): Promise<string[]> {
  const list = await runCommand('ip', 'netns', 'list')
  return list.split('\n').flatMap((line) => line.split(' ', 1)[0] || [])
}

/** Ends what still runs inside first: a namespace lives as long as a process in it. */
async function remove(name: string): Promise<void> {
  for (const pid of (await runCommand('ip', 'netns', 'pids', name)).split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  await runCommand('ip', 'netns', 'del', name)
}
