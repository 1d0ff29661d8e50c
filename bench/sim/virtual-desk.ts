import type { Member } from '../../src/scheduler/index.ts'
import { SwarmMembers } from '../../src/scheduler/index.ts'

/** The swarm of one blob as its home sees it, as the daemon's home desk keeps it. */
export class VirtualDesk {
  /** Who hears of new hashes. */
  readonly audience = new Set<number>()
  readonly #members = new SwarmMembers()
  /** Pieces whose hashes are yet to be told. */
  untold: number[] = []

  /** Lists a member and answers whom it should meet; another draw each time it asks. */
  join(host: number, zone: Member['zone']): number[] {
    this.audience.add(host)
    this.#members.add({ id: `host-${host}`, zone })
    return this.#members.introduce(`host-${host}`).map((id) => Number(id.slice('host-'.length)))
  }

  leave(host: number): void {
    this.audience.delete(host)
    this.#members.remove(`host-${host}`)
  }
}

/** Ascending runs of consecutive numbers. */
export function runsOf(pieces: readonly number[]): { first: number; count: number }[] {
  const runs: { first: number; count: number }[] = []
  for (const piece of pieces.toSorted((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last !== undefined && last.first + last.count === piece) last.count++
    else runs.push({ first: piece, count: 1 })
  }
  return runs
}
