import { readFile, writeFile } from 'node:fs/promises'
import { runCommand } from './command.ts'

const ALLOWED = '/proc/sys/net/ipv4/tcp_allowed_congestion_control'

/**
 * What hosts run by default on Linux. bbr, which some machines prefer, does not heed loss: many of its flows in one
 * shaped link with a short queue starve every small flow beside them, and that would be measured instead of the swarm.
 */
export const CONGESTION_CONTROL = 'cubic'

/** Lets namespaces choose `CONGESTION_CONTROL`; disposing restores what the machine allowed before. */
export class AllowedCongestionControl implements AsyncDisposable {
  readonly #before: string

  private constructor(before: string) {
    this.#before = before
  }

  static async open(): Promise<AllowedCongestionControl> {
    const before = (await readFile(ALLOWED, 'utf8')).trim()
    await allow()
    return new AllowedCongestionControl(before)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await writeFile(ALLOWED, this.#before)
  }
}

async function allow(): Promise<void> {
  const allowed = (await readFile(ALLOWED, 'utf8')).trim()
  if (!allowed.split(' ').includes(CONGESTION_CONTROL)) await writeFile(ALLOWED, `${allowed} ${CONGESTION_CONTROL}`)
}

/** Makes new connections of a namespace use `CONGESTION_CONTROL`. */
export async function useCongestionControl(namespace: string): Promise<void> {
  // another run on this machine may have ended meanwhile, and restored what it had found
  await allow()
  const setting = `net.ipv4.tcp_congestion_control=${CONGESTION_CONTROL}`
  await runCommand('ip', 'netns', 'exec', namespace, 'sysctl', '-q', '-w', setting)
}
