import { isIP } from 'node:net'
import type { Multiaddr } from '@multiformats/multiaddr'
import { multiaddr } from '@multiformats/multiaddr'
import type { Address } from '../base/address.ts'

/** The form libp2p dials and listens on. Names stay names: the system resolves them when dialling. */
export function toMultiaddr({ host, port }: Address): Multiaddr {
  const family = isIP(host)
  const protocol = family === 4 ? 'ip4' : family === 6 ? 'ip6' : 'dns'
  return multiaddr(`/${protocol}/${host}/tcp/${port}`)
}

/** The place a multiaddr of TCP names; undefined when it is another kind. */
export function fromMultiaddr(address: Multiaddr): Address | undefined {
  const [first, second] = address.getComponents()
  const known = first !== undefined && /^(ip4|ip6|dns|dns4|dns6)$/.test(first.name) && second?.name === 'tcp'
  return known && first.value !== undefined ? { host: first.value, port: Number(second.value) } : undefined
}
