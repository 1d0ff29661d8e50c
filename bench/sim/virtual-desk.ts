import { SwarmMembers } from '../../src/scheduler/index.ts'
import type { VirtualHost } from './virtual-host.ts'

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

  /** Lists a member and answers whom it should meet; others each time it asks. */
  join({ id, name, zone }: VirtualHost): number[] {
    this.audience.add(id)
    this.#members.add({ id: name, zone })
    return this.#members.introduce(name).map((other) => Number(other.slice('host-'.length)))
  }

  leave({ id, name }: VirtualHost): void {
    this.audience.delete(id)
    this.#members.remove(name)
  }
}
