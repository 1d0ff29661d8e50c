import assert from 'node:assert/strict'
import type { Address } from '../../src/base/address.ts'
import { parseAddress } from '../../src/base/address.ts'

export const ANY_PORT: Address = { host: '127.0.0.1', port: 0 }

/** What `host:port` says. */
export function addressOf(text: string): Address {
  const address = parseAddress(text)
  assert.ok(address !== undefined, text)
  return address
}
