import { z } from 'zod'
import { listenAddress, parseAddress } from '../base/address.ts'
import { parseDurationMs, parseRateBytesPerSec, parseSizeBytes } from '../base/quantity.ts'

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
  return parsed((value) => {
    const address = typeof value === 'string' ? parseAddress(value) : undefined
    return address === undefined ? undefined : listenAddress(address)
  }, 'an address')
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
