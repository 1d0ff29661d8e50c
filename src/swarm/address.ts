import { BlockList, isIP, isIPv4 } from 'node:net'
import type { Multiaddr } from '@multiformats/multiaddr'
import { multiaddr } from '@multiformats/multiaddr'
import { ShoalError } from '../base/errors.ts'

/** A place to listen on or dial: `host` is an IPv4 or IPv6 address (no brackets) or a name. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** RFC 1123, plus the underscore that container networks use in names. */
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62}))*\.?$/
const PORT = /^[0-9]{1,5}$/
/** As many as a hello may carry. */
export const MAX_ADDRESSES = 8

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Parses `host:port` (`10.0.0.1:7071`, `[fd00::1]:7071`, `cache-1.example:7071`); undefined when it is none. */
export function parseHostPort(text: string): HostPort | undefined {
  const colon = text.lastIndexOf(':')
  const portText = text.slice(colon + 1)
  const port = Number(portText)
  if (colon < 1 || !PORT.test(portText) || port > 65535) return undefined
  const written = text.slice(0, colon)
  if (written.startsWith('[') && written.endsWith(']')) {
    const host = written.slice(1, -1)
    return isIP(host) === 6 && !host.includes('%') ? { host, port } : undefined
  }
  if (isIPv4(written)) return { host: written, port }
  // Four numbers that are no IPv4 address are a slip, not a name.
  return HOST_NAME.test(written) && !/^[0-9.]+$/.test(written) ? { host: written, port } : undefined
}

/** The text that parseHostPort reads. */
export function formatHostPort(address: HostPort): string {
  return isIP(address.host) === 6 ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/** The form libp2p dials and listens on. Names stay names: the system resolves them when dialling. */
export function hostPortMultiaddr(address: HostPort): Multiaddr {
  const family = isIP(address.host)
  const protocol = family === 4 ? 'ip4' : family === 6 ? 'ip6' : 'dns'
  return multiaddr(`/${protocol}/${address.host}/tcp/${address.port}`)
}

/** The place a multiaddr of TCP names; undefined when it is another kind. */
export function multiaddrHostPort(address: Multiaddr): HostPort | undefined {
  const [first, second] = address.getComponents()
  const known = first !== undefined && /^(ip4|ip6|dns|dns4|dns6)$/.test(first.name) && second?.name === 'tcp'
  return known && first.value !== undefined ? { host: first.value, port: Number(second.value) } : undefined
}

/** Whether only this machine can be behind `host`. */
export function isLoopbackHost(host: string): boolean {
  const family = isIP(host)
  if (family === 0) return host.toLowerCase() === 'localhost'
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

/** Parses what `peer.listen` says. Throws `CONFIG_INVALID`: names are refused, a socket is bound to an address. */
export function parseListenAddress(text: string): HostPort {
  const address = parseHostPort(text)
  const host = address?.host === 'localhost' ? '127.0.0.1' : address?.host
  if (address === undefined || host === undefined || isIP(host) === 0) {
    throw new ShoalError(
      'CONFIG_INVALID',
      `peer.listen: "${text}" is no address:port (as in 0.0.0.0:7071 or [::]:7071)`,
    )
  }
  return { host, port: address.port }
}

/** Parses `peer.announce`. Throws `CONFIG_INVALID`. */
export function parseAnnounced(addresses: readonly string[]): readonly string[] {
  const wrong = addresses.find((text) => parseHostPort(text) === undefined)
  if (wrong !== undefined) throw new ShoalError('CONFIG_INVALID', `peer.announce: "${wrong}" is no host:port`)
  if (addresses.length > MAX_ADDRESSES) {
    throw new ShoalError('CONFIG_INVALID', `peer.announce: at most ${MAX_ADDRESSES} addresses`)
  }
  return addresses
}
