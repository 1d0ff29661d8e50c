import { fileURLToPath } from 'node:url'
import { commandIn, ManagedProcess } from '../../src/demo/index.ts'
import type { Hand } from './hand.ts'

const PROGRAM = fileURLToPath(new URL('./wan-relay-main.ts', import.meta.url))
const PEER_PORT = 7071
const ORIGIN_PORT = 9000

/** Where a relay listens and what is behind it. */
export interface RelayTargets {
  /** The relay's own address in the far segment. */
  readonly address: string
  readonly originUrl: string
  readonly cacheAddress: string
}

/**
 * The way between two segments: TCP connections are taken up in one and passed on in the other, every byte later by the
 * link's delay. Kernels without netem can shape rates but not delays.
 */
export class WanRelay implements AsyncDisposable {
  /** What the far segment uses for the near one's cache and for the origin. */
  readonly cacheAddress: string
  readonly originUrl: string
  readonly process: ManagedProcess

  private constructor(process: ManagedProcess, address: string) {
    this.process = process
    this.cacheAddress = `${address}:${PEER_PORT}`
    this.originUrl = `http://${address}:${ORIGIN_PORT}`
  }

  static async start(hand: Hand, delayMs: number, targets: RelayTargets): Promise<WanRelay> {
    const { hostname, port } = new URL(targets.originUrl)
    const settings = {
      delayMs,
      address: targets.address,
      routes: [
        { port: PEER_PORT, to: { host: targets.cacheAddress, port: PEER_PORT } },
        { port: ORIGIN_PORT, to: { host: hostname, port: Number(port) } },
      ],
    }
    const command = commandIn(hand.place, process.execPath, [PROGRAM, JSON.stringify(settings)])
    const started = await ManagedProcess.start({ name: 'wan relay', ...command })
    await started.waitForLine('listening', (line) => (line === 'listening' ? {} : undefined))
    return new WanRelay(started, targets.address)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stop()
  }
}
