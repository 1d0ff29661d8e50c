import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { FloorResult, PartResult } from './result.ts'
import { floorOf, partResult } from './result.ts'
import type { Cost } from './tasks.ts'
import { costSchema, cpuSecondsSchema, fetchedSchema, portSchema, urlSchema } from './tasks.ts'
import { Worker } from './worker.ts'

export interface FloorOptions {
  readonly bytes: number
  readonly warmUpBytes: number
  /** On the file system whose cost counts. */
  readonly directory: string
  readonly signal: AbortSignal
}

/** Every way of doing a part that was tried: the cheapest counts. */
const PARTS = {
  'encrypted channel': [receiveByTls],
  'SHA-256': [hash],
  'write a new file': [writePlain, writePreallocated],
  'hand over': [handOver],
} as const satisfies Record<string, readonly Measure[]>

/** One run of one part, in processes of its own. */
type Measure = (options: FloorOptions) => Promise<Cost>

/** The runs of each way of doing each part. */
export class FloorRuns {
  readonly #options: FloorOptions
  readonly #runs = new Map<Measure, Cost[]>()

  constructor(options: FloorOptions) {
    this.#options = options
  }

  async runOnce(): Promise<void> {
    for (const measure of Object.values(PARTS).flat()) {
      const cost = await measure(this.#options)
      this.#runs.set(measure, [...(this.#runs.get(measure) ?? []), cost])
    }
  }

  result(): FloorResult {
    return floorOf(Object.entries(PARTS).map(([part, ways]) => this.#cheapest(part, ways)))
  }

  #cheapest(part: string, ways: readonly Measure[]): PartResult {
    const { bytes } = this.#options
    const results = ways.map((way) => partResult(part, bytes, this.#runs.get(way) ?? []))
    return results.toSorted((a, b) => a.cpuSecondsPerGiB.median - b.cpuSecondsPerGiB.median)[0]!
  }
}

async function receiveByTls({ bytes, warmUpBytes, signal }: FloorOptions): Promise<Cost> {
  await using sender = Worker.start('the TLS sender', signal)
  await using receiver = Worker.start('the TLS receiver', signal)
  const { port } = await sender.ask({ do: 'tls-serve' }, portSchema)
  await receiver.ask({ do: 'tls-receive', port, bytes: warmUpBytes }, costSchema)
  return await receiver.ask({ do: 'tls-receive', port, bytes }, costSchema)
}

async function hash({ bytes, warmUpBytes, signal }: FloorOptions): Promise<Cost> {
  await using worker = Worker.start('SHA-256', signal)
  await worker.ask({ do: 'hash', bytes: warmUpBytes }, costSchema)
  return await worker.ask({ do: 'hash', bytes }, costSchema)
}

function writePlain(options: FloorOptions): Promise<Cost> {
  return write(options, false)
}

function writePreallocated(options: FloorOptions): Promise<Cost> {
  return write(options, true)
}

async function write({ bytes, directory, signal }: FloorOptions, preallocated: boolean): Promise<Cost> {
  await using worker = Worker.start('writing', signal)
  const writeNew = async (): Promise<Cost> => {
    const file = join(directory, 'floor-write')
    try {
      return await worker.ask({ do: 'write', file, bytes, preallocated }, costSchema)
    } finally {
      await rm(file, { force: true })
    }
  }
  // the second takes the memory that the first has just given back: memory-reserve.ts says why
  await writeNew()
  return await writeNew()
}

async function handOver({ bytes, warmUpBytes, directory, signal }: FloorOptions): Promise<Cost> {
  const files = { warmUp: join(directory, 'floor-hand-over-warm-up'), whole: join(directory, 'floor-hand-over') }
  await using server = Worker.start('handing over', signal)
  await using client = Worker.start('the client', signal)
  try {
    for (const [file, length] of [
      [files.warmUp, warmUpBytes],
      [files.whole, bytes],
    ] as const) {
      await client.ask({ do: 'write', file, bytes: length, preallocated: false }, costSchema)
    }
    const fetch = async (file: string): Promise<number> => {
      const { url } = await server.ask({ do: 'file-serve', file }, urlSchema)
      return (await client.ask({ do: 'fetch', url }, fetchedSchema)).seconds
    }
    await fetch(files.warmUp)
    const before = await server.ask({ do: 'used' }, cpuSecondsSchema)
    const seconds = await fetch(files.whole)
    const after = await server.ask({ do: 'used' }, cpuSecondsSchema)
    return { seconds, cpu: { user: after.user - before.user, system: after.system - before.system } }
  } finally {
    await Promise.all(Object.values(files).map((file) => rm(file, { force: true })))
  }
}
