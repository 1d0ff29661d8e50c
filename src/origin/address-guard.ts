import type { LookupAddress, LookupOptions } from 'node:dns'
import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { isIP } from 'node:net'
import type { AddressClass } from '../base/address-class.ts'
import { classOf, isNearer } from '../base/address-class.ts'
import { ShoalError } from '../base/errors.ts'

/**
 * How far a request may reach. `public`: anywhere that anybody could ask, too. `registry`: no nearer to this host than
 * the registry itself is. `listed`: the operator named the host, which may be anywhere but at a metadata service.
 */
export type Reach = 'public' | 'registry' | 'listed'

type Resolve = (hostname: string, options: LookupOptions & { all: true }, callback: ResolveCallback) => void
type ResolveCallback = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void

/**
 * Keeps a registry from sending this host to places that it could not reach itself: a registry with a public address
 * sends nobody into private networks, one in a private network nobody to loopback, and none to metadata services.
 * Addresses are judged where a connection is made, so that no second look-up can differ from the judged one.
 */
export class AddressGuard {
  readonly #registry: string | undefined
  readonly #resolve: Resolve
  /** The classes of the registry's own addresses when it was first asked; one address may be public, another private. */
  #own: { readonly nearest: AddressClass; readonly farthest: AddressClass } | undefined

  /**
   * `registry`: the host the operator configured, which may be anywhere; undefined where nobody has, and only public
   * addresses are asked. `resolve`: the system's look-up.
   */
  constructor(registry: string | undefined, resolve: Resolve = lookup) {
    this.#registry = registry
    this.#resolve = resolve
    if (registry !== undefined && isAddress(registry))
      this.#own = { nearest: classOf(registry), farthest: classOf(registry) }
  }

  /** Why `url` is not asked, as far as its text tells. Names are judged when they resolve. */
  refusal(url: URL, reach: Reach): string | undefined {
    if (this.#isOwn(url.hostname, reach) || !isAddress(url.hostname)) return undefined
    return this.#allows(url.hostname, reach) ? undefined : this.#reason(url.hostname, reach)
  }

  /** For sockets: like the system's look-up, without the addresses that may not be reached; fails when none is left. */
  lookup(reach: Reach): LookupFunction {
    return (hostname, options, callback) => {
      this.#resolve(hostname, { ...options, all: true }, (error, found) => {
        const allowed = error === null ? this.#allowed(hostname, found, reach) : []
        const [first] = allowed
        if (error !== null) callback(error, '', 4)
        else if (first === undefined) callback(refused(this.#reason(hostname, reach, found[0]?.address)), '', 4)
        else if (options.all === true) callback(null, allowed)
        else callback(null, first.address, first.family)
      })
    }
  }

  #allowed(hostname: string, found: readonly LookupAddress[], reach: Reach): LookupAddress[] {
    if (!this.#isOwn(hostname, reach)) return found.filter(({ address }) => this.#allows(address, reach))
    const usable = found.filter(({ address }) => classOf(address) !== 'forbidden')
    this.#own ??= spanOf(usable.map(({ address }) => classOf(address)))
    // a name that was public stays public: else its owner could lead this host to loopback by changing its address
    const nearest = this.#own?.nearest ?? 'public'
    return usable.filter(({ address }) => !isNearer(classOf(address), nearest))
  }

  /** What may be asked by strangers only is judged like any other host, also under the registry's name. */
  #isOwn(hostname: string, reach: Reach): boolean {
    return hostname === this.#registry && reach !== 'public'
  }

  #allows(address: string, reach: Reach): boolean {
    return !isNearer(classOf(address), this.#limit(reach))
  }

  #limit(reach: Reach): AddressClass {
    if (reach === 'public' || this.#registry === undefined) return 'public'
    const farthest = this.#own?.farthest ?? 'public'
    return reach === 'listed' || farthest === 'forbidden' ? 'loopback' : farthest
  }

  #reason(host: string, reach: Reach, address?: string): string {
    const place = address === undefined ? host : `${host} (${address})`
    if (this.#registry === undefined) return `${place} is not a public address, and no configured upstream`
    if (reach === 'public')
      return `${place} is not a public address and no token server of the owner of ${this.#registry}: see trustedRealms`
    return `${place} is a metadata service or nearer to this host than ${this.#registry} is, and is not asked`
  }
}

/** Undefined for none. */
function spanOf(classes: readonly AddressClass[]) {
  const [first] = classes
  if (first === undefined) return undefined
  return {
    nearest: classes.reduce((a, b) => (isNearer(b, a) ? b : a), first),
    farthest: classes.reduce((a, b) => (isNearer(a, b) ? b : a), first),
  }
}

function isAddress(host: string): boolean {
  return isIP(host.replace(/^\[|\]$/g, '')) !== 0
}

function refused(message: string): ShoalError {
  return new ShoalError('ORIGIN_UNREACHABLE', message)
}
