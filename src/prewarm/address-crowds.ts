import { addressGroup } from '../swarm/index.ts'

/** Hosts of one address that may stay without an answer before the others there are no longer waited for. */
const MOST_UNANSWERED = 16

interface Crowd {
  readonly answered: Set<string>
  readonly unanswered: Set<string>
}

/**
 * Hosts of one job by the address of their links: identities cost nothing, addresses do. Where more hosts have been set
 * aside than have answered, whoever has not answered yet is not worth a wait of its own.
 */
export class AddressCrowds {
  readonly #crowds = new Map<string, Crowd>()
  #hasUnanswered = false

  answered(key: string, remote: string | undefined): void {
    const crowd = this.#crowd(remote)
    crowd?.answered.add(key)
    crowd?.unanswered.delete(key)
  }

  setAside(key: string, remote: string | undefined): void {
    const crowd = this.#crowd(remote)
    if (crowd === undefined || crowd.answered.has(key)) return
    crowd.unanswered.add(key)
    this.#hasUnanswered = true
  }

  /** Whether a host there that has never answered is set aside at once. */
  isSilent(remote: string | undefined): boolean {
    if (!this.#hasUnanswered || remote === undefined) return false
    const crowd = this.#crowds.get(addressGroup(remote))
    if (crowd === undefined) return false
    return crowd.unanswered.size >= MOST_UNANSWERED && crowd.unanswered.size > crowd.answered.size
  }

  #crowd(remote: string | undefined): Crowd | undefined {
    if (remote === undefined) return undefined
    const group = addressGroup(remote)
    const known = this.#crowds.get(group) ?? { answered: new Set(), unanswered: new Set() }
    this.#crowds.set(group, known)
    return known
  }
}
