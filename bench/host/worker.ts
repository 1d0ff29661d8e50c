import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { z } from 'zod'
import { raceAbort } from '../../src/base/abort.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { Task } from './tasks.ts'
import { answerSchema } from './tasks.ts'

const PROGRAM = fileURLToPath(new URL('./worker-main.ts', import.meta.url))

/** Nothing here takes that long, however slow the machine: who does has hung. */
const ASK_TIMEOUT_MS = 600_000

/** A process of the bench: each part of a measurement has its own, so that only its own work is counted. */
export class Worker implements AsyncDisposable {
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

  static start(name: string, signal: AbortSignal): Worker {
    return new Worker(name, fork(PROGRAM, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }), signal)
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** Has the process do something; its answer, as `schema` reads it. */
  async ask<T>(task: Task, schema: z.ZodType<T>): Promise<T> {
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
    return new ShoalError('UNAVAILABLE', `the bench's process for ${this.name}: ${what}`)
  }
}
