const FIRST_CAPACITY = 1024

/** A call that can be taken back. */
class Timer implements Disposable {
  #fn: (() => void) | undefined

  constructor(fn: () => void) {
    this.#fn = fn
  }

  fire(): void {
    this.#fn?.()
  }

  [Symbol.dispose](): void {
    this.#fn = undefined
  }
}

const fire = (timer: Timer): void => timer.fire()

/**
 * Virtual time: runs what is due in the order of time, and of asking where times are equal. A binary heap over typed
 * arrays, so that tens of millions of events leave no garbage of their own.
 */
export class VirtualClock {
  #at = new Float64Array(FIRST_CAPACITY)
  #order = new Float64Array(FIRST_CAPACITY)
  #slot = new Int32Array(FIRST_CAPACITY)
  readonly #handlers: (((subject: unknown) => void) | undefined)[] = []
  readonly #subjects: unknown[] = []
  readonly #free: number[] = []
  /** What is due now, before anything else. */
  readonly #soon: [(subject: unknown) => void, unknown][] = []
  #size = 0
  #now = 0
  #nextOrder = 0

  now(): number {
    return this.#now
  }

  wall(): number {
    return this.#now
  }

  /** Events run so far, or waiting. */
  get events(): number {
    return this.#nextOrder
  }

  /** Runs `fn` `ms` from now; disposing takes it back. The shape is that of the daemon's clock. */
  after(ms: number, fn: () => void): Disposable {
    const timer = new Timer(fn)
    this.call(ms, fire, timer)
    return timer
  }

  /** Runs `handler(subject)` `ms` from now, for sure. */
  call<T>(ms: number, handler: (subject: T) => void, subject: T): void {
    const slot = this.#free.pop() ?? this.#handlers.length
    // a slot holds a handler only together with the subject it was given with
    this.#handlers[slot] = handler as (subject: unknown) => void
    this.#subjects[slot] = subject
    this.#push(this.#now + Math.max(0, ms), slot)
  }

  /** Runs `handler(subject)` when what happens now has happened. */
  soon<T>(handler: (subject: T) => void, subject: T): void {
    this.#nextOrder++
    this.#soon.push([handler as (subject: unknown) => void, subject])
  }

  /** Runs until `done`, until nothing is left to do, or until `untilMs`. Returns whether `done`. */
  run(done: () => boolean, untilMs: number): boolean {
    while (!done()) {
      this.#runSoon()
      if (this.#size === 0 || this.#at[0]! > untilMs) return false
      this.#now = this.#at[0]!
      const slot = this.#slot[0]!
      this.#pop()
      const handler = this.#handlers[slot]!
      const subject = this.#subjects[slot]
      this.#handlers[slot] = undefined
      this.#subjects[slot] = undefined
      this.#free.push(slot)
      handler(subject)
    }
    return true
  }

  #runSoon(): void {
    if (this.#soon.length === 0) return
    // what these ask for comes behind them
    for (const [handler, subject] of this.#soon) handler(subject)
    this.#soon.length = 0
  }

  #push(at: number, slot: number): void {
    if (this.#size === this.#at.length) this.#grow()
    const order = this.#nextOrder++
    let hole = this.#size++
    while (hole > 0) {
      const parent = (hole - 1) >> 1
      // an equal time was asked for earlier, as its order is lower
      if (this.#at[parent]! <= at) break
      this.#move(parent, hole)
      hole = parent
    }
    this.#set(hole, at, order, slot)
  }

  #pop(): void {
    const last = --this.#size
    if (last === 0) return
    const at = this.#at[last]!
    const order = this.#order[last]!
    let hole = 0
    for (;;) {
      let child = 2 * hole + 1
      if (child >= last) break
      if (child + 1 < last && this.#before(child + 1, this.#at[child]!, this.#order[child]!)) child++
      if (!this.#before(child, at, order)) break
      this.#move(child, hole)
      hole = child
    }
    this.#set(hole, at, order, this.#slot[last]!)
  }

  #before(index: number, at: number, order: number): boolean {
    const mine = this.#at[index]!
    return mine < at || (mine === at && this.#order[index]! < order)
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#at[from]!, this.#order[from]!, this.#slot[from]!)
  }

  #set(index: number, at: number, order: number, slot: number): void {
    this.#at[index] = at
    this.#order[index] = order
    this.#slot[index] = slot
  }

  #grow(): void {
    const capacity = this.#at.length * 2
    const at = new Float64Array(capacity)
    const order = new Float64Array(capacity)
    const slot = new Int32Array(capacity)
    at.set(this.#at)
    order.set(this.#order)
    slot.set(this.#slot)
    this.#at = at
    this.#order = order
    this.#slot = slot
  }
}
