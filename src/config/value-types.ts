import { isIP } from 'node:net'
import { z } from 'zod'
import { parseDurationMs, parseRateBytesPerSec, parseSizeBytes } from '../base/quantity.ts'

/** Where to listen or whom to dial. `host` is a name or an IP address without brackets; port 0 = any free one. */
export interface Address {
  readonly host: string
  readonly port: number
}

const HOST_NAME = /^[a-z0-9](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_-]{1,63})*\.?$/i

/** Parses `host:port` and `[ipv6]:port`. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const port = Number(match[3])
  const host = match[1] ?? match[2] ?? ''
  const valid = match[1] !== undefined ? isIP(host) === 6 : isIP(host) === 4 || isHostName(host)
  return valid && port <= 65_535 ? { host, port } : undefined
}

/** All-numeric last labels are mistyped IPv4 addresses, never names. */
function isHostName(host: string): boolean {
  return host.length <= 253 && HOST_NAME.test(host) && !/(?:^|\.)\d+\.?$/.test(host)
}

export function addressText(address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/** Whether only this machine can reach a listener on `host`. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** A leaf read by `parse`; what it does not understand is "not <what>". */
function parsed<T>(parse: (value: unknown) => T | undefined, what: string, check?: (value: T) => string | undefined) {
  return z.union([z.string(), z.number()], { error: `is not ${what}` }).transform((value, context): T => {
    const result = parse(value)
    const complaint = result === undefined ? `is not ${what}` : check?.(result)
    if (result === undefined || complaint !== undefined) {
      context.addIssue({ code: 'custom', message: complaint ?? '' })
      return z.NEVER
    }
    return result
  })
}

/** Bytes, at least `minBytes`. */
export function sizeValue(minBytes: number, minText: string) {
  return parsed(parseSizeBytes, 'a size', (bytes) => (bytes < minBytes ? `is below ${minText}` : undefined))
}

/** Bytes per second. */
export function rateValue() {
  return parsed(parseRateBytesPerSec, 'a rate')
}

/** Milliseconds, at most `maxMs`. */
export function durationValue(maxMs: number, maxText: string) {
  return parsed(parseDurationMs, 'a length of time', (ms) => (ms > maxMs ? `is above ${maxText}` : undefined))
}

/** A listener's address. */
export function listenValue() {
  return parsed((value) => (typeof value === 'string' ? parseAddress(value) : undefined), 'an address')
}

/** An address to dial, kept as text: `host:port`, and `dns:host:port` where `dns` allows it. Port 0 cannot be dialled. */
export function dialValue(options: { dns: boolean }) {
  return parsed((value) => {
    if (typeof value !== 'string') return undefined
    const address = parseAddress(options.dns && value.startsWith('dns:') ? value.slice(4) : value)
    return address !== undefined && address.port > 0 ? value : undefined
  }, 'an address')
}

/** Text in a grammar. */
export function textValue(grammar: RegExp, what: string) {
  return z.string({ error: `is not ${what}` }).regex(grammar, { error: `is not ${what}` })
}
