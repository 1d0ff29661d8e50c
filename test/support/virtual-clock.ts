interface Timer {
  readonly at: number
  readonly order: number
  readonly fn: () => void
}

/** Virtual time: runs what is due in the order of time, and of asking where times are equal. A binary heap. */
export class VirtualClock {
  readonly #heap: Timer[] = []
  #now = 0
  #order = 0

  now(): number {
    return this.#now
  }

  /** Runs `fn` `ms` from now; disposing takes it back. The shape is that of the daemon's clock. */
  after(ms: number, fn: () => void): Disposable {
    let live = true
    this.#push({ at: this.#now + Math.max(0, ms), order: this.#order++, fn: () => live && fn() })
    return {
      [Symbol.dispose]: () => {
        live = false
      },
    }
  }

  /** Runs until `done`, until nothing is left to do, or until `untilMs`. Answers whether `done`. */
  run(done: () => boolean, untilMs: number): boolean {
    while (!done()) {
      const next = this.#heap[0]
      if (next === undefined || next.at > untilMs) return false
      this.#pop()
      this.#now = next.at
      next.fn()
    }
    return true
  }

  #push(timer: Timer): void {
    const heap = this.#heap
    heap.push(timer)
    for (let i = heap.length - 1; i > 0; ) {
      const parent = (i - 1) >> 1
      if (!before(heap[i]!, heap[parent]!)) break
      swap(heap, i, parent)
      i = parent
    }
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    heap[0] = last
    for (let i = 0; ; ) {
      let least = i
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < heap.length && before(heap[child]!, heap[least]!)) least = child
      }
      if (least === i) return
      swap(heap, i, least)
      i = least
    }
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

function swap(heap: Timer[], i: number, j: number): void {
  const kept = heap[i]!
  heap[i] = heap[j]!
  heap[j] = kept
}
