import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { NetworkHost } from '../../bench/fleet/network.ts'
import { TaskProcess } from '../../bench/support/task-process.ts'
import type { Place } from '../../src/demo/index.ts'
import type { HandTask } from './hand-tasks.ts'
import { askedSchema } from './hand-tasks.ts'
import type { Pull, Pulled } from './runtime-pull.ts'
import { pulledSchema } from './runtime-pull.ts'

const PROGRAM = fileURLToPath(new URL('./hand-main.ts', import.meta.url))

/** A process of the run inside a host's namespace, which does there what it is told. */
export class Hand implements AsyncDisposable {
  readonly host: NetworkHost
  /** For what else runs on that host. */
  readonly place: Place
  readonly #process: TaskProcess<HandTask>

  constructor(host: NetworkHost) {
    this.host = host
    const prefix = ['ip', 'netns', 'exec', host.namespace]
    this.place = {
      prefix,
      address: host.address,
      ask: (url, { method = 'GET', body, headers } = {}) => {
        return this.do({ do: 'ask', url, method, body, headers: headers && { ...headers } }, askedSchema)
      },
    }
    this.#process = TaskProcess.start(PROGRAM, host.name, new AbortController().signal, this.place)
  }

  pull(what: Pull): Promise<Pulled> {
    return this.do({ do: 'pull', ...what }, pulledSchema)
  }

  do<A>(task: HandTask, schema: z.ZodType<A>): Promise<A> {
    return this.#process.ask(task, schema)
  }

  async tell(task: HandTask): Promise<void> {
    await this.do(task, z.unknown())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]()
  }
}
