import { Session, console as toInspector } from 'node:inspector'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AdminClient } from '../../src/cli/admin-client.ts'
import { ManifestSource } from '../../src/node/image-source.ts'
import { ordersProtocol } from '../../src/orders/protocol.ts'
import { MeteredOrigin } from '../../src/origin/metered-origin.ts'
import { Pins } from '../../src/pins/pins.ts'
import { HostTask } from '../../src/prewarm/host-task.ts'
import { JobStore } from '../../src/prewarm/job-store.ts'
import { Rollout } from '../../src/prewarm/rollout.ts'
import { Link } from '../../src/swarm/link.ts'
import { tierRequests } from '../../src/tier/requests.ts'

const SOURCE = join(import.meta.dirname, '../../src')
/** Deeper than any way through the program. */
const MAX_DEPTH = 500
/** What carries a request and decides nothing about it: tools, links, and the wiring of a host. */
const CARRIERS = ['base', 'swarm', 'node']

/** Where a way leads to: a method whose callers are taken down. */
interface End {
  readonly owner: object
  readonly methods: readonly string[]
  /** Whether a call is one that counts, by its arguments; default: every call. */
  readonly counts?: (args: readonly unknown[]) => boolean
  /** The file that the method is in, where it is a part of the way. */
  readonly file?: string
}

/** Where a way begins, and where it leads to. */
interface Way {
  /** What is before it is not part of it. */
  readonly start: RegExp
  readonly ends: readonly End[]
}

/** From a route of the mirror to where a peer or an origin is asked. */
export const CONTENT: Way = {
  start: /^registry\/\w+-route\.ts$/,
  ends: [
    // only what is asked about content: hosts also ask each other for addresses
    { owner: Link.prototype, methods: ['request'], counts: ([request]) => request !== tierRequests.members },
    { owner: MeteredOrigin.prototype, methods: ['resolveTag', 'manifest', 'statBlob', 'readBlob'] },
  ],
}

const isPrewarm = ([what]: readonly unknown[]): boolean => Object.values<unknown>(ordersProtocol).includes(what)

/**
 * From the command to where content is asked for on a host, and back to where the leader counts it: from there on it is the way
 * of a blob.
 */
export const PREWARM: Way = {
  start: /^(cli\/prewarm|admin\/prewarm-routes)\.ts$/,
  ends: [
    { owner: AdminClient.prototype, methods: ['post'], file: 'cli/admin-client.ts' },
    { owner: Link.prototype, methods: ['request', 'send'], counts: isPrewarm },
    { owner: ManifestSource.prototype, methods: ['manifest'] },
    { owner: JobStore.prototype, methods: ['put'], file: 'prewarm/job-store.ts' },
    { owner: HostTask.prototype, methods: ['run'], file: 'prewarm/host-task.ts' },
    { owner: Pins.prototype, methods: ['pinPlanned'], file: 'pins/pins.ts' },
    { owner: Rollout.prototype, methods: ['report'], file: 'prewarm/rollout.ts' },
  ],
}

/**
 * The files that a way passes through, on every host of this process: what somebody reads who follows it. Taken from the call
 * stacks at its ends, across awaits.
 */
export class Walk implements Disposable {
  readonly #way: Way
  readonly #session = new Session()
  readonly #files = new Set<string>()
  readonly #undo: (() => void)[] = []

  constructor(way: Way) {
    this.#way = way
    this.#session.connect()
    this.#session.post('Runtime.enable')
    this.#session.post('Debugger.enable')
    this.#session.post('Debugger.setAsyncCallStackDepth', { maxDepth: MAX_DEPTH })
    this.#session.on('Runtime.consoleAPICalled', ({ params }) => {
      const frames: string[] = []
      for (let part = params.stackTrace; part !== undefined; part = part.parent)
        for (const { url } of part.callFrames) if (url.startsWith('file:')) frames.push(fileURLToPath(url))
      this.#add(frames.map((path) => relative(SOURCE, path)).filter((path) => !path.startsWith('..')))
    })
    for (const end of way.ends) for (const method of end.methods) this.#watch(end, method)
  }

  /** In the order of the alphabet. */
  get files(): readonly string[] {
    return [...this.#files].sort()
  }

  [Symbol.dispose](): void {
    for (const undo of this.#undo) undo()
    this.#session.disconnect()
  }

  #watch({ owner, counts, file }: End, method: string): void {
    const methods = owner as Record<string, (...args: unknown[]) => unknown>
    const asked = methods[method]!
    const note = (args: unknown[]): void => {
      if (counts?.(args) === false) return
      toInspector.trace()
      if (file !== undefined) this.#files.add(file)
    }
    methods[method] = function (this: object, ...args) {
      note(args)
      return asked.apply(this, args)
    }
    this.#undo.push(() => {
      methods[method] = asked
    })
  }

  /** `frames`: the innermost first. */
  #add(frames: readonly string[]): void {
    const start = frames.findLastIndex((path) => this.#way.start.test(path))
    for (const path of start < 0 ? frames : frames.slice(0, start + 1)) {
      if (!CARRIERS.includes(path.split('/')[0] ?? '')) this.#files.add(path)
    }
  }
}
