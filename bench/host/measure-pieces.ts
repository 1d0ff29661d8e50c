import type { PieceChannelResult } from './result.ts'
import { partResult } from './result.ts'
import type { ChannelKind, Cost } from './tasks.ts'
import { addressSchema, costSchema, cpuSecondsSchema } from './tasks.ts'
import { Worker } from './worker.ts'

const MIB = 1024 * 1024
/** Over a link of its own: the code is compiled then. */
const WARM_UP_BYTES = 64 * MIB

export interface PieceOptions {
  readonly bytes: number
  readonly directory: string
  readonly signal: AbortSignal
}

/** What a link between two swarms costs each side, by one way of moving pieces. */
export class PieceRuns {
  readonly channel: ChannelKind
  readonly #options: PieceOptions
  readonly #sender: Cost[] = []
  readonly #receiver: Cost[] = []

  constructor(channel: ChannelKind, options: PieceOptions) {
    this.channel = channel
    this.#options = options
  }

  async runOnce(): Promise<void> {
    const { bytes, directory, signal } = this.#options
    const { channel } = this
    await using sender = Worker.start(`sending by ${channel}`, signal)
    await using receiver = Worker.start(`receiving by ${channel}`, signal)
    const { address } = await sender.ask({ do: 'pieces-serve', channel, directory }, addressSchema)
    const receive = (length: number): Promise<Cost> =>
      receiver.ask({ do: 'pieces-receive', channel, directory, address, bytes: length }, costSchema)
    await receive(WARM_UP_BYTES)
    const before = await sender.ask({ do: 'used' }, cpuSecondsSchema)
    const received = await receive(bytes)
    const after = await sender.ask({ do: 'used' }, cpuSecondsSchema)
    const cpu = { user: after.user - before.user, system: after.system - before.system }
    this.#receiver.push(received)
    this.#sender.push({ seconds: received.seconds, cpu })
  }

  result(): PieceChannelResult {
    const { bytes } = this.#options
    return {
      channel: this.channel,
      sender: partResult('sender', bytes, this.#sender),
      receiver: partResult('receiver', bytes, this.#receiver),
    }
  }
}
