import type { LookupAddress, LookupOptions } from 'node:dns'
import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { BlockList, isIP } from 'node:net'

/**
 * Addresses a registry may not send this host to: link-local ones and those where clouds serve machine credentials.
 * Private networks are fine; many registries redirect into them.
 */
function metadataAddresses(): BlockList {
  const list = new BlockList()
  list.addSubnet('169.254.0.0', 16, 'ipv4')
  list.addSubnet('fe80::', 10, 'ipv6')
  list.addAddress('fd00:ec2::254', 'ipv6')
  list.addAddress('100.100.100.200', 'ipv4')
  return list
}

/** Keeps requests away from metadata services, whether named by address or by a name that resolves to one. */
export class AddressGuard {
  readonly #forbidden = metadataAddresses()
  readonly #trustedHost: string

  /** `trustedHost`: the host the operator configured, which may be anywhere. */
  constructor(trustedHost: string) {
    this.#trustedHost = trustedHost
  }

  /** Whether `url` may be asked, as far as its text tells. Names are judged again when they resolve. */
  allows(url: URL): boolean {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    return url.hostname === this.#trustedHost || isIP(host) === 0 || !this.#isForbidden(host)
  }

  /** For sockets: like the system's look-up, but fails for a name with any forbidden address. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    const all: LookupOptions & { all: true } = { ...options, all: true }
    lookup(hostname, all, (error, addresses) => {
      const refused = error ?? this.#refusal(hostname, addresses)
      const first = addresses?.[0]
      if (refused !== undefined && refused !== null) callback(refused, '', 4)
      else if (options.all === true) callback(null, addresses)
      else callback(null, first?.address ?? '', first?.family ?? 4)
    })
  }

  #refusal(hostname: string, addresses: readonly LookupAddress[]): Error | undefined {
    if (hostname === this.#trustedHost) return undefined
    const bad = addresses.find(({ address }) => this.#isForbidden(address))
    return bad === undefined ? undefined : new Error(`${hostname} resolves to ${bad.address}, which is not asked`)
  }

  #isForbidden(address: string): boolean {
    return this.#forbidden.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }
}
