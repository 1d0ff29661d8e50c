import { Worker } from 'node:worker_threads'
import type { TargetName } from './names.ts'

/** Room for the longest input, behind a count of inputs and its length. */
const ROOM_BYTES = 128 * 1024
const HEAD_BYTES = 8

/** What the thread beside is given. */
export interface Watched {
  readonly name: TargetName
  readonly memory: SharedArrayBuffer
  readonly headBytes: number
}

/** Ends the process, and says at which input, when one is never done with: nobody else could tell. */
export class Watchdog implements Disposable {
  readonly #head: Int32Array
  readonly #input: Uint8Array
  readonly #worker: Worker

  constructor(name: TargetName) {
    const memory = new SharedArrayBuffer(HEAD_BYTES + ROOM_BYTES)
    this.#head = new Int32Array(memory, 0, 2)
    this.#input = new Uint8Array(memory, HEAD_BYTES)
    const workerData: Watched = { name, memory, headBytes: HEAD_BYTES }
    this.#worker = new Worker(new URL('./watchdog-worker.ts', import.meta.url), { workerData })
    this.#worker.unref()
  }

  reads(bytes: Uint8Array): void {
    const shown = bytes.subarray(0, ROOM_BYTES)
    this.#input.set(shown)
    this.#head[1] = shown.length
    Atomics.add(this.#head, 0, 1)
  }

  [Symbol.dispose](): void {
    void this.#worker.terminate()
  }
}
