import type { Clock } from '../base/clock.ts'
import type { Digest } from '../oci/digest.ts'
import type { Transfer, Transfers } from '../transfer/index.ts'
import type { Task } from './messages.ts'
import { Pacer } from './pacer.ts'

/** A host that may ask for something and gets no byte for this long reserves nothing any more. */
const STALLED_MS = 5_000

/** What a job on this host could ask for now. */
export interface Claim {
  readonly priority: number
  /** Bytes that the job's own rate allows; infinite without one. */
  readonly allowanceBytes: number
  /** Whether its sources give nothing, however much it may ask for. */
  readonly isStalled: boolean
  readonly wanted: readonly { readonly digest: Digest; readonly pieces: number; readonly pieceSize: number }[]
}

/**
 * Divides what this host may ask for in the background among its jobs, those that come first first. Without a rate nothing
 * is scarce here but the network is: then jobs of the highest priority that move have it to themselves. Returns pieces by
 * blob beyond those that are here, infinite = all of them, and by claim whether it was given any.
 */
export function divide(
  claims: readonly Claim[],
  allowanceBytes: number,
): { readonly pieces: ReadonlyMap<Digest, number>; readonly isGiven: readonly boolean[] } {
  const given = new Map<Digest, number>()
  const isGiven: boolean[] = []
  let left = allowanceBytes
  let least = Number.NEGATIVE_INFINITY
  for (const { priority, allowanceBytes: own, isStalled, wanted } of claims) {
    const most = priority < least ? 0 : Math.min(own, left)
    let bytes = most
    for (const { digest, pieces, pieceSize } of wanted) {
      const before = given.get(digest) ?? 0
      // infinite less infinite is nothing that can be compared
      const more = bytes === Number.POSITIVE_INFINITY ? bytes : fitting(bytes, pieces - before, pieceSize)
      given.set(digest, before + more)
      if (more !== Number.POSITIVE_INFINITY) bytes -= more * pieceSize
    }
    isGiven.push(wanted.some(({ pieceSize }) => pieceSize <= most))
    if (isStalled || wanted.length === 0) continue
    if (most === Number.POSITIVE_INFINITY) least = Math.max(least, priority)
    else left -= most - bytes
  }
  return { pieces: given, isGiven }
}

function fitting(bytes: number, pieces: number, pieceSize: number): number {
  return Math.max(0, Math.min(pieces, Math.floor(bytes / pieceSize)))
}

interface HostBudgetDeps {
  readonly clock: Pick<Clock, 'now'>
  readonly transfers: Pick<Transfers, 'limit'>
  /** This host's own rate for all prewarm work, bytes per second; 0 = unlimited. */
  readonly hostRate: () => number
}

/** What this host may ask for in the background now, for all of its jobs. */
export class HostBudget {
  readonly #deps: HostBudgetDeps
  readonly #pacer: Pacer
  /** Of jobs that have something under way. */
  readonly #parts = new Set<BudgetPart>()

  constructor(deps: HostBudgetDeps) {
    this.#deps = deps
    this.#pacer = new Pacer(deps.clock)
  }

  /** Of one job, as it is now. */
  part(task: () => Task): BudgetPart {
    return new BudgetPart(this, this.#deps.clock, task)
  }

  /** Content came for a job or for several that want the same. */
  came(bytes: number): void {
    this.#pacer.came(bytes)
  }

  /** Whether a job that begins a transfer may have all of it at once. */
  isFree({ priority, rateBytesPerSec }: Task): boolean {
    return rateBytesPerSec === 0 && this.#deps.hostRate() === 0 && this.#ordered[0]?.isAbove(priority) !== true
  }

  /** Says anew how much each transfer may ask for. */
  divide(): void {
    this.#pacer.setRate(this.#deps.hostRate())
    const parts = this.#ordered
    const { pieces, isGiven } = divide(
      parts.map((part) => part.claim()),
      this.#pacer.allowance,
    )
    for (const [i, part] of parts.entries()) part.given(isGiven[i] === true)
    for (const transfer of new Map(parts.flatMap((part) => [...part.running])).values()) {
      const more = pieces.get(transfer.digest) ?? 0
      const limit = more === Number.POSITIVE_INFINITY ? undefined : transfer.partial.have.count + more
      this.#deps.transfers.limit(transfer, limit)
    }
  }

  /** Only for parts: something of it is under way, or nothing is any more. */
  changed(part: BudgetPart, ended: Iterable<Transfer> = []): void {
    if (part.running.size > 0) this.#parts.add(part)
    else this.#parts.delete(part)
    // what is under way is not stopped by letting go of it
    for (const transfer of ended) {
      if (![...this.#parts].some(({ running }) => running.has(transfer.digest))) this.#deps.transfers.limit(transfer, 0)
    }
    this.divide()
  }

  get #ordered(): BudgetPart[] {
    return [...this.#parts].sort((a, b) => byTurn(a.task, b.task))
  }
}

/** One job's part of it. */
export class BudgetPart {
  readonly #budget: HostBudget
  readonly #clock: Pick<Clock, 'now'>
  readonly #task: () => Task
  readonly #pacer: Pacer
  readonly #running = new Map<Digest, Transfer>()
  /** Since when it may ask for something and nothing comes. */
  #emptySince: number | undefined

  constructor(budget: HostBudget, clock: Pick<Clock, 'now'>, task: () => Task) {
    this.#budget = budget
    this.#clock = clock
    this.#task = task
    this.#pacer = new Pacer(clock)
  }

  get task(): Task {
    return this.#task()
  }

  get running(): ReadonlyMap<Digest, Transfer> {
    return this.#running
  }

  isAbove(priority: number): boolean {
    return this.task.priority > priority && !this.#isStalled
  }

  begin(transfer: Transfer): void {
    this.#running.set(transfer.digest, transfer)
    this.#budget.changed(this)
  }

  end({ digest }: Transfer): void {
    if (this.#running.delete(digest)) this.#budget.changed(this)
  }

  /** Nothing more is wanted for now. */
  clear(): void {
    const ended = [...this.#running.values()]
    this.#running.clear()
    this.#emptySince = undefined
    this.#budget.changed(this, ended)
  }

  came(bytes: number): void {
    this.#pacer.came(bytes)
    this.#emptySince = undefined
  }

  given(isSome: boolean): void {
    if (!isSome) this.#emptySince = undefined
    else this.#emptySince ??= this.#clock.now()
  }

  claim(): Claim {
    const { priority, rateBytesPerSec } = this.task
    this.#pacer.setRate(rateBytesPerSec)
    const wanted = Array.from(this.#running.values(), ({ digest, layout, partial }) => ({
      digest,
      pieces: layout.count - partial.have.count,
      pieceSize: layout.pieceSize,
    }))
    return { priority, allowanceBytes: this.#pacer.allowance, isStalled: this.#isStalled, wanted }
  }

  get #isStalled(): boolean {
    return this.#emptySince !== undefined && this.#clock.now() - this.#emptySince > STALLED_MS
  }
}

/** For sorting: the job that comes first on a host. Of the same priority it is the older one, whose id is less. */
export function byTurn(a: Pick<Task, 'job' | 'priority'>, b: Pick<Task, 'job' | 'priority'>): number {
  return b.priority - a.priority || (a.job < b.job ? -1 : 1)
}
