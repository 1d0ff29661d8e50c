import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { z } from 'zod'
import { raceAbort } from '../../src/base/abort.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { Place } from '../../src/demo/index.ts'
import { commandIn, LOOPBACK } from '../../src/demo/index.ts'

/** Nothing here takes that long, however slow the machine: who does has hung. */
const ASK_TIMEOUT_MS = 600_000

/** What `serveTasks` sends. */
const answerSchema = z.discriminatedUnion('ok', [
  z.object({ id: z.number(), ok: z.literal(true), value: z.unknown() }),
  z.object({ id: z.number(), ok: z.literal(false), error: z.string() }),
])

/** A child process of a benchmark that does tasks of type `T` (`serveTasks`), one or several at a time. */
export class TaskProcess<T extends object> implements AsyncDisposable {
  readonly name: string
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  readonly #signal: AbortSignal
  #next = 0

  private constructor(name: string, child: ChildProcess, signal: AbortSignal) {
    this.name = name
    this.#child = child
    this.#signal = signal
    child.on('message', (message) => this.#onMessage(message))
    this.#ended = new Promise((resolve) => {
      child.once('close', () => {
        for (const { reject } of this.#waiting.values()) reject(this.#failure('ended'))
        this.#waiting.clear()
        resolve()
      })
    })
  }

  /** Runs `program` in a place; `name` is for messages. */
  static start<T extends object>(
    program: string,
    name: string,
    signal: AbortSignal,
    place: Place = LOOPBACK,
  ): TaskProcess<T> {
    const { command, args } = commandIn(place, process.execPath, [...process.execArgv, program])
    return new TaskProcess<T>(name, spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }), signal)
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** Has the process do something; its answer, as `schema` reads it. */
  async ask<A>(task: T, schema: z.ZodType<A>): Promise<A> {
    const id = this.#next++
    const waiting = Promise.withResolvers<unknown>()
    this.#waiting.set(id, waiting)
    this.#child.send({ id, task }, (error) => error !== null && waiting.reject(error))
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(ASK_TIMEOUT_MS)])
    return schema.parse(await raceAbort(waiting.promise, signal))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL')
    await this.#ended
  }

  #onMessage(message: unknown): void {
    const answer = answerSchema.parse(message)
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (answer.ok) waiting?.resolve(answer.value)
    else waiting?.reject(this.#failure(answer.error))
  }

  #failure(what: string): ShoalError {
    return new ShoalError('UNAVAILABLE', `the process for ${this.name}: ${what}`)
  }
}
