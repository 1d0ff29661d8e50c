import { rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { costSchema } from './tasks.ts'
import { Worker } from './worker.ts'

const MIB = 1024 * 1024
/** Given back before it is needed: more would be gone again by then. */
const AHEAD_BYTES = 128 * MIB
const EVERY_MS = 20
/** `st_blocks` counts these, whatever the file system's own are. */
const BLOCK_BYTES = 512

/**
 * Memory for a run that writes a file of known size: as much of it as the file has grown is given back, a little ahead.
 * Virtual machines often return free memory to their host within seconds and pay for every page they get again, up to ten
 * times what writing it costs; how much of that hits a run is chance. With this, a run finds pages that were in use a
 * moment ago, as on a host whose memory is full, and as the floor does.
 */
export class MemoryReserve implements AsyncDisposable {
  readonly #file: string
  readonly #bytes: number
  #left: number
  #timer: NodeJS.Timeout | undefined
  #step: Promise<void> = Promise.resolve()

  private constructor(file: string, bytes: number) {
    this.#file = file
    this.#bytes = bytes
    this.#left = bytes
  }

  /** Takes `bytes` of memory, as a file's page cache. */
  static async take(directory: string, bytes: number, signal: AbortSignal): Promise<MemoryReserve> {
    const file = join(directory, 'memory-reserve')
    await using worker = Worker.start('the memory reserve', signal)
    const size = bytes + AHEAD_BYTES
    await worker.ask({ do: 'write', file, bytes: size, preallocated: false }, costSchema)
    return new MemoryReserve(file, size)
  }

  /** Gives back from now on what the first of `paths` that is there has grown to. */
  follow(paths: readonly string[]): void {
    this.#timer ??= setInterval(() => {
      this.#step = this.#step.then(async () => this.#giveBack((await grownTo(paths)) + AHEAD_BYTES))
    }, EVERY_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#step
    await rm(this.#file, { force: true })
  }

  async #giveBack(bytes: number): Promise<void> {
    const left = Math.max(0, this.#bytes - bytes)
    if (left >= this.#left) return
    this.#left = left
    await truncate(this.#file, left)
  }
}

async function grownTo(paths: readonly string[]): Promise<number> {
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined)
    if (found !== undefined) return found.blocks * BLOCK_BYTES
  }
  return 0
}
