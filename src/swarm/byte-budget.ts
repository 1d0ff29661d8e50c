import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'

/** A link that has given nothing back for this long is ended when others need the room. */
const STALLED_MS = 2_000
const LOOK_EVERY_MS = 500
/** Twice the limit is never passed: what is heaviest ends, stalled or not. */
const HARD = 2
/** A link that holds less than this is served although others hold much. */
const LIGHT_BYTES = 64 * 1024

/** What a link makes this host hold: frames that are not whole yet or wait, and what the peer has not read. */
interface Held {
  /** Bytes, all but what is kept by keep(). */
  measure(): number
  /** The link is to end, at once: its bytes are needed. */
  end(error: ShoalError): void
}

/** One link's part of the budget. */
export interface Holding extends Disposable {
  /** What measure() says may have changed. */
  update(): void
  /** A part of an answer waits to be written. Links that keep the same one keep it once between them. */
  keep(part: object, bytes: number): void
  release(part: object): void
  /** Whether this link may begin something that will have to be held. */
  readonly mayBegin: boolean
  /** Whether what is held already may be made larger to be on its way. */
  readonly mayGrow: boolean
  /** Calls `tell` once, as soon as it may be worth asking again. */
  wait(tell: () => void): void
}

/** A part of an answer, and how many links wait to write it. */
interface Kept {
  readonly bytes: number
  keepers: number
}

interface Account {
  readonly held: Held
  measured: number
  kept: number
  /** When it last gave something back, or began. */
  sinceMs: number
}

/**
 * One number of bytes for all that links make this host hold. From half of it on, only links that hold little begin
 * anything new; the others wait, and those that stand still end. Over all of it nothing is made larger. Over twice of it
 * the heaviest link ends at once, so that no number of members, each within its own bounds, fills the memory.
 */
export class ByteBudget {
  readonly #limitBytes: number
  readonly #clock: Clock
  /** Those that hold something. */
  readonly #heavy = new Set<Account>()
  readonly #kept = new Map<object, Kept>()
  readonly #waiting = new Set<() => void>()
  #bytes = 0
  #timer: Disposable | undefined
  #telling = false

  constructor(limitBytes: number, clock: Clock) {
    this.#limitBytes = limitBytes
    this.#clock = clock
  }

  get bytes(): number {
    return this.#bytes
  }

  open(held: Held): Holding {
    const account: Account = { held, measured: 0, kept: 0, sinceMs: this.#clock.now() }
    const budget = this
    return {
      update: () => this.#update(account),
      keep: (part, bytes) => this.#keep(account, part, bytes),
      release: (part) => this.#release(account, part),
      get mayBegin() {
        return budget.#bytes < (weight(account) < LIGHT_BYTES ? 1 : 0.5) * budget.#limitBytes
      },
      get mayGrow() {
        return budget.#bytes < budget.#limitBytes
      },
      wait: (tell) => {
        this.#waiting.add(tell)
        this.#watch()
      },
      [Symbol.dispose]: () => this.#close(account),
    }
  }

  #update(account: Account): void {
    if (this.#measure(account)) this.#settle()
  }

  #settle(): void {
    if (this.#bytes > this.#limitBytes * HARD) this.#endHeaviest()
    if (this.#bytes > this.#limitBytes) this.#watch()
    else this.#tell()
  }

  /** Whether anything has changed. */
  #measure(account: Account): boolean {
    const bytes = account.held.measure()
    const change = bytes - account.measured
    if (change === 0) return false
    if (change < 0 || weight(account) === 0) account.sinceMs = this.#clock.now()
    account.measured = bytes
    this.#bytes += change
    this.#list(account)
    return true
  }

  #keep(account: Account, part: object, bytes: number): void {
    const kept = this.#kept.get(part) ?? { bytes, keepers: 0 }
    if (kept.keepers++ === 0) {
      this.#kept.set(part, kept)
      this.#bytes += kept.bytes
    }
    if (weight(account) === 0) account.sinceMs = this.#clock.now()
    account.kept += kept.bytes
    this.#list(account)
    this.#settle()
  }

  #release(account: Account, part: object): void {
    const kept = this.#kept.get(part)
    if (kept === undefined) return
    if (--kept.keepers === 0) {
      this.#kept.delete(part)
      this.#bytes -= kept.bytes
    }
    account.kept -= kept.bytes
    account.sinceMs = this.#clock.now()
    this.#list(account)
    this.#tell()
  }

  #close(account: Account): void {
    this.#bytes -= account.measured
    account.measured = 0
    this.#list(account)
    this.#tell()
  }

  #list(account: Account): void {
    if (weight(account) > 0) this.#heavy.add(account)
    else this.#heavy.delete(account)
  }

  #endHeaviest(): void {
    for (const account of [...this.#heavy]) this.#measure(account)
    for (const account of this.#byWeight()) {
      if (this.#bytes <= this.#limitBytes * HARD) return
      this.#end(account)
    }
  }

  /** Somebody waits, or there is too much: those that stand still end until there is room. */
  #look(): void {
    for (const account of [...this.#heavy]) this.#measure(account)
    const enough = this.#waiting.size > 0 ? this.#limitBytes / 2 : this.#limitBytes
    for (const account of this.#byWeight()) {
      if (this.#bytes <= enough) break
      if (this.#clock.now() - account.sinceMs >= STALLED_MS) this.#end(account)
    }
    this.#tell()
    if (this.#waiting.size > 0 || this.#bytes > this.#limitBytes) this.#watch()
  }

  #watch(): void {
    this.#timer ??= this.#clock.after(LOOK_EVERY_MS, () => {
      this.#timer = undefined
      this.#look()
    })
  }

  #byWeight(): Account[] {
    return [...this.#heavy].sort((a, b) => weight(b) - weight(a))
  }

  #end(account: Account): void {
    account.held.end(
      new ShoalError('PEER_PROTOCOL', 'a peer makes this host hold too much', {
        details: { reason: 'unread', bytes: weight(account) },
      }),
    )
  }

  /** In another turn: whoever is told may hold more at once. */
  #tell(): void {
    if (this.#waiting.size === 0 || this.#telling || this.#bytes >= this.#limitBytes) return
    this.#telling = true
    setImmediate(() => {
      this.#telling = false
      for (const tell of [...this.#waiting]) {
        if (this.#bytes >= this.#limitBytes) break
        this.#waiting.delete(tell)
        tell()
      }
    })
  }
}

function weight({ measured, kept }: Account): number {
  return measured + kept
}
