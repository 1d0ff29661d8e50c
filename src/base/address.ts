import { BlockList, isIP } from 'node:net'

/** Where to listen or whom to dial: `host` is an IP address without brackets or a name; port 0 is any free one. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** As many of one host are told to others; a hello carries no more. */
export const MAX_ADDRESSES = 8

const WRITTEN = /^(?:\[([^\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/
/** RFC 1123, plus the underscore that container networks use in names. */
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_][a-z0-9_-]{0,62}(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\.?$/i
/** Names whose last label is a number are mistyped IPv4 addresses. */
const NUMERIC_END = /(?:^|\.)[0-9]+\.?$/

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Parses `host:port` (`10.0.0.1:7071`, `[fd00::1]:7071`, `cache-1.example:7071`); undefined for anything else. */
export function parseAddress(text: string): Address | undefined {
  const [, bracketed, bare, digits] = WRITTEN.exec(text) ?? []
  const host = bracketed ?? bare
  const port = Number(digits)
  if (host === undefined || port > 65_535) return undefined
  // an IPv6 address with a zone means something on one machine only
  const isHost =
    bracketed === undefined ? isIP(host) === 4 || isHostName(host) : isIP(host) === 6 && !host.includes('%')
  return isHost ? { host, port } : undefined
}

/** The text that `parseAddress` reads. */
export function addressText({ host, port }: Address): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

/** Whether only this machine is behind `host`, however its address is written (`::ffff:127.0.0.1` is 127.0.0.1). */
export function isLoopback(host: string): boolean {
  const family = isIP(host)
  if (family === 0) return host.toLowerCase() === 'localhost'
  return LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

/** An address to listen on: `localhost` becomes 127.0.0.1, so that one name is one listener. */
export function listenAddress({ host, port }: Address): Address {
  return { host: host.toLowerCase() === 'localhost' ? '127.0.0.1' : host, port }
}

/** Whether a listener there takes what comes in on every interface. */
export function isEveryInterface(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** Where a listener is reached from this machine itself. */
export function reachedHere({ host, port }: Address): Address {
  return { host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host, port }
}

function isHostName(text: string): boolean {
  return HOST_NAME.test(text) && !NUMERIC_END.test(text)
}
