import type { NetworkInterfaceInfo } from 'node:os'
import { networkInterfaces } from 'node:os'
import type { Address } from '../base/address.ts'
import { addressText, isEveryInterface, MAX_ADDRESSES } from '../base/address.ts'
import { classOf } from '../base/address-class.ts'
import type { Clock } from '../base/clock.ts'

/** How often the interfaces are looked at: an address that comes after the start is told within this. */
const LOOK_EVERY_MS = 3_000
/** Bridges and cables of containers and virtual machines: the same addresses on every host, reachable from none. */
const CONTAINER_INTERFACE =
  /^(?:docker|br-|cni|veth|virbr|vnet|lxc|lxd|podman|flannel|cali|cilium|weave|kube|nerdctl|tunl)/
/** Addresses peers said they saw this host come from; the latest count. */
const MAX_OBSERVED = 4

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

/**
 * Where a host that listens on `bound` can be dialled: there, or, when that is every interface, at each address other
 * machines may know, the likeliest first: those that peers have `observed`, then those of real interfaces, those of
 * container bridges last. Never loopback, and none at all while the host has no other address.
 */
export function reachableAddresses(
  bound: Address,
  interfaces: Interfaces,
  observed: readonly string[] = [],
): readonly string[] {
  if (!isEveryInterface(bound.host)) return [addressText(bound)]
  const ranked = Object.entries(interfaces).flatMap(([name, infos]) =>
    (infos ?? [])
      .filter((info) => !info.internal && (info.family === 'IPv4' || bound.host === '::'))
      // Link-local addresses mean nothing without an interface name.
      .filter((info) => classOf(info.address) !== 'forbidden')
      .map(({ address, family }) => ({ address, rank: rankOf(name, family, observed.includes(address)) })),
  )
  const hosts = new Set(ranked.sort((a, b) => a.rank - b.rank).map(({ address }) => address))
  return [...hosts].slice(0, MAX_ADDRESSES).map((host) => addressText({ host, port: bound.port }))
}

function rankOf(name: string, family: string, isObserved: boolean): number {
  if (isObserved) return 0
  return (CONTAINER_INTERFACE.test(name) ? 3 : 1) + (family === 'IPv4' ? 0 : 1)
}

interface OwnAddressesDeps {
  readonly clock: Clock
  /** Default: those of this machine. */
  readonly interfaces?: (() => Interfaces) | undefined
  /** The addresses are other ones now. */
  readonly changed: (addresses: readonly string[]) => void
}

/** The addresses of this host that peers are told, looked up again as long as it runs. */
export class OwnAddresses implements Disposable {
  readonly #bound: Address
  readonly #deps: OwnAddressesDeps
  #observed: readonly string[] = []
  #current: readonly string[] = []
  #timer: Disposable | undefined

  constructor(bound: Address, deps: OwnAddressesDeps) {
    this.#bound = bound
    this.#deps = deps
    this.#current = this.#lookUp()
    this.#lookLater()
  }

  get current(): readonly string[] {
    return this.#current
  }

  /** A peer has seen this host come from `host`. Only an address that this host has moves, to the front. */
  observed(host: string): void {
    if (this.#observed[0] === host) return
    this.#observed = [host, ...this.#observed.filter((other) => other !== host)].slice(0, MAX_OBSERVED)
    this.#look()
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]()
  }

  #lookLater(): void {
    this.#timer = this.#deps.clock.after(LOOK_EVERY_MS, () => {
      this.#look()
      this.#lookLater()
    })
  }

  #look(): void {
    const found = this.#lookUp()
    if (found.join() === this.#current.join()) return
    this.#current = found
    this.#deps.changed(found)
  }

  /** The system cannot always say, without a file to ask by for one: then nothing is known to have changed. */
  #lookUp(): readonly string[] {
    try {
      return reachableAddresses(this.#bound, (this.#deps.interfaces ?? networkInterfaces)(), this.#observed)
    } catch {
      return this.#current
    }
  }
}
