import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { ShoalError } from '../../src/base/errors.ts'
import type { Place, ServerRequest } from '../../src/demo/index.ts'
import { commandIn, LOOPBACK } from '../../src/demo/index.ts'
import type { HandTask, Pulled } from './hand-tasks.ts'
import { handAnswerSchema, pulledSchema } from './hand-tasks.ts'
import type { NetworkHost } from './network.ts'

const PROGRAM = fileURLToPath(new URL('./hand-main.ts', import.meta.url))
const rangesSchema = z.array(z.number())
const answerSchema = z.object({ status: z.number(), text: z.string() })
const portSchema = z.object({ port: z.number() })
const sinkSchema = z.object({ sink: z.number() })
const readySchema = z.object({ hand: z.literal('ready') })

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** A process of the bench inside a host's namespace, which does there what it is told. Started before any measurement. */
export class Hand implements AsyncDisposable {
  readonly host: NetworkHost
  /** For what else runs on that host. */
  readonly place: Place
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #waiting = new Map<number, Waiting>()
  #next = 0
  #sink = Promise.withResolvers<number>()

  private constructor(host: NetworkHost, place: Place, child: ChildProcess) {
    this.host = host
    this.place = { ...place, ask: (url, options) => this.#ask(url, options) }
    this.#child = child
    child.on('message', (message) => this.#onMessage(message))
    this.#ended = new Promise((resolve) => {
      child.once('exit', () => {
        for (const { reject } of this.#waiting.values()) {
          reject(new ShoalError('UNAVAILABLE', `the bench's process on ${host.name} ended`))
        }
        this.#waiting.clear()
        resolve()
      })
    })
  }

  static async start(host: NetworkHost): Promise<Hand> {
    const place = { ...LOOPBACK, prefix: ['ip', 'netns', 'exec', host.namespace], address: host.address }
    const { command, args } = commandIn(place, process.execPath, [PROGRAM])
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const hand = new Hand(host, place, child)
    try {
      await new Promise<void>((resolve, reject) => {
        child.once('error', reject)
        child.once('exit', (code) =>
          reject(new ShoalError('UNAVAILABLE', `no bench process on ${host.name} (${code})`)),
        )
        child.on('message', (message) => readySchema.safeParse(message).success && resolve())
      })
      return hand
    } catch (error) {
      await hand[Symbol.asyncDispose]()
      throw error
    }
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  async pull(mirror: string, reference: string): Promise<Pulled> {
    return pulledSchema.parse(await this.#do({ do: 'pull', mirror, reference }))
  }

  /** Reads ranges one after the other; milliseconds of each. */
  async readRanges(ranges: Extract<HandTask, { do: 'ranges' }>['ranges']): Promise<number[]> {
    return rangesSchema.parse(await this.#do({ do: 'ranges', ranges }))
  }

  /** Ends the pulls under way. */
  async abandon(): Promise<void> {
    await this.#do({ do: 'abandon' })
  }

  /** Scrapes `url` until `unwatch`, which answers how many milliseconds each took. */
  async watch(url: string, everyMs: number): Promise<void> {
    await this.#do({ do: 'watch', url, everyMs })
  }

  async unwatch(): Promise<number[]> {
    return z.array(z.number()).parse(await this.#do({ do: 'unwatch' }))
  }

  /** Opens a sink; `rate` comes once it has measured, in bytes per second. */
  async sink(window: { readonly skipMs: number; readonly measureMs: number }): Promise<{
    readonly address: string
    readonly port: number
    readonly rate: Promise<number>
  }> {
    this.#sink = Promise.withResolvers<number>()
    const { address } = this.host
    const { port } = portSchema.parse(await this.#do({ do: 'sink', address, ...window }))
    return { address, port, rate: this.#sink.promise }
  }

  async flood(sinks: readonly { readonly address: string; readonly port: number }[]): Promise<void> {
    await this.#do({ do: 'flood', sinks: sinks.map(({ address, port }) => ({ address, port })) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL')
    await this.#ended
  }

  async #ask(
    url: string,
    { method = 'GET', body, headers }: ServerRequest = {},
  ): Promise<z.infer<typeof answerSchema>> {
    return answerSchema.parse(await this.#do({ do: 'ask', url, method, body, headers }))
  }

  #do(task: HandTask): Promise<unknown> {
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, task }, (error) => error !== null && reject(error))
    })
  }

  #onMessage(message: unknown): void {
    const sink = sinkSchema.safeParse(message)
    if (sink.success) return this.#sink.resolve(sink.data.sink)
    const answer = handAnswerSchema.safeParse(message)
    if (!answer.success) return
    const waiting = this.#waiting.get(answer.data.id)
    this.#waiting.delete(answer.data.id)
    if (answer.data.ok) waiting?.resolve(answer.data.value)
    else waiting?.reject(new ShoalError('UNAVAILABLE', `${this.host.name}: ${answer.data.error}`))
  }
}
