import type { Member } from '../../src/scheduler/index.ts'
import { SwarmMembers } from '../../src/scheduler/index.ts'

/** The swarm of one blob as its home sees it, as the daemon's home desk keeps it. */
export class VirtualDesk {
  /** Who hears of new hashes. */
  readonly audience = new Set<number>()
  readonly #members = new SwarmMembers()

  readonly home: number
  readonly blob: number

  constructor(home: number, blob: number) {
    this.home = home
    this.blob = blob
  }

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
