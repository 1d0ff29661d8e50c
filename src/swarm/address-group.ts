import { isIPv6 } from 'node:net'

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i
const IPV6_GROUPS = 8
/** What one household or machine is given of IPv6 (RFC 6177): it may use any address in it. */
const SUBNET_GROUPS = 4

/** One text for one address, however it was written: an IPv4 address, or eight groups of hex without leading zeros. */
export function plainAddress(text: string): string {
  const address = text.split('%')[0]!
  const mapped = MAPPED.exec(address)?.[1]
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address
  // the system's own writing: lower case, dotted tails as hex, no leading zeros
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = new Array<string>(tail === undefined ? 0 : IPV6_GROUPS - before.length - after.length).fill('0')
  return [...before, ...zeros, ...after].join(':')
}

/** Whom an address belongs to, as far as that can be told: an IPv4 address, or 64 bits of an IPv6 one. */
export function addressGroup(text: string): string {
  const address = plainAddress(text)
  return address.includes(':') ? address.split(':').slice(0, SUBNET_GROUPS).join(':') : address
}

/** One end of a TCP connection. */
export function placeOf(host: string, port: number): string {
  return `${plainAddress(host)} ${port}`
}
