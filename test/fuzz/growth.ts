/** What stays after so many inputs is a leak when it is more than this a million of them; below, it is the engine's own. */
const LEAST_BYTES = 6 * 1024 * 1024
/** Before that, caches fill and code is compiled. */
const WARM_BATCHES = 4

/** What stays in memory after each batch of inputs. Needs `--expose-gc`; without, nothing is seen. */
export class Growth {
  #batches = 0
  #first: number | undefined
  #last = 0

  look(): void {
    if (globalThis.gc === undefined || ++this.#batches < WARM_BATCHES) return
    globalThis.gc()
    // buffers are let go of some time after what holds them
    this.#last = process.memoryUsage().heapUsed
    this.#first ??= this.#last
  }

  get bytes(): number {
    return this.#last - (this.#first ?? this.#last)
  }

  /** What is wrong with that, if anything. */
  problem(inputs: number): string | undefined {
    return this.bytes <= LEAST_BYTES ? undefined : `${this.bytes} bytes have stayed after ${inputs} inputs`
  }
}
