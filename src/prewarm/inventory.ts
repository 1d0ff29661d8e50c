import { MAX_HOSTS } from '../orders/index.ts'
import type { PeerInfo } from '../swarm/index.ts'
import type { PrewarmSpec } from './interface.ts'
import type { HostFacts } from './messages.ts'

export interface KnownHost {
  readonly key: string
  readonly name: string
  readonly facts: HostFacts
}

/** The hosts of this region that are linked now, and what they say of themselves. */
export class Inventory {
  readonly #hosts = new Map<string, KnownHost>()

  get size(): number {
    return this.#hosts.size
  }

  /** Returns whether the host was not here before. */
  note({ key, addresses }: PeerInfo, facts: HostFacts): boolean {
    const isNew = !this.#hosts.has(key)
    if (isNew && this.#hosts.size >= MAX_HOSTS) return false
    const address = addresses[0]
    this.#hosts.set(key, { key, name: address === undefined ? facts.name : `${facts.name} (${address})`, facts })
    return isNew
  }

  forget(key: string): void {
    this.#hosts.delete(key)
  }

  nameOf(key: string): string | undefined {
    return this.#hosts.get(key)?.name
  }

  /** The hosts that a job's labels choose. Its regions are not looked at: all of these are in one. */
  matching({ select }: Pick<PrewarmSpec, 'select'>): KnownHost[] {
    return [...this.#hosts.values()].filter(({ facts }) => carries(facts, select))
  }

  /** Whether a host is linked now and is one that a job's labels choose. */
  matches(key: string, { select }: Pick<PrewarmSpec, 'select'>): boolean {
    const host = this.#hosts.get(key)
    return host !== undefined && carries(host.facts, select)
  }
}

function carries({ labels }: HostFacts, select: PrewarmSpec['select']): boolean {
  return Object.entries(select).every(([label, value]) => Object.hasOwn(labels, label) && labels[label] === value)
}
