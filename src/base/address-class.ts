import { isIP } from 'node:net'

/**
 * How near an address is to this host. `forbidden`: link-local addresses, where clouds serve machine credentials, and
 * whatever nobody pulls from; such a one is asked only when the operator wrote it down.
 */
export type AddressClass = 'public' | 'private' | 'loopback' | 'forbidden'

const NEARNESS: Readonly<Record<AddressClass, number>> = { public: 0, private: 1, loopback: 2, forbidden: 3 }

/** Whether `a` is nearer to this host than `b`. */
export function isNearer(a: AddressClass, b: AddressClass): boolean {
  return NEARNESS[a] > NEARNESS[b]
}

/**
 * The first row an address is in decides; in none, an IPv4 address is public, an IPv6 address only as global unicast.
 * From the IANA special-purpose address registries (RFC 6890) and the clouds' manuals of their metadata services.
 */
const ROWS: readonly (readonly [prefix: string, is: AddressClass])[] = [
  // metadata services outside the link-local networks: Azure's wire server, Oracle, Alibaba; AWS, Google, Oracle, Scaleway
  ['168.63.129.16/32', 'forbidden'],
  ['192.0.0.192/32', 'forbidden'],
  ['100.100.100.200/32', 'forbidden'],
  ['fd00:ec2::/32', 'forbidden'],
  ['fd20:ce::254/128', 'forbidden'],
  ['fd00:c1::a9fe:a9fe/128', 'forbidden'],
  ['fd00:42::42/128', 'forbidden'],
  // link-local, multicast, reserved
  ['169.254.0.0/16', 'forbidden'],
  ['224.0.0.0/3', 'forbidden'],
  ['fe80::/10', 'forbidden'],
  ['ff00::/8', 'forbidden'],
  // this host
  ['0.0.0.0/8', 'loopback'],
  ['127.0.0.0/8', 'loopback'],
  ['::/127', 'loopback'],
  // networks of one's own: RFC 1918, carrier-grade NAT, protocol assignments, documentation, benchmarks
  ['10.0.0.0/8', 'private'],
  ['172.16.0.0/12', 'private'],
  ['192.168.0.0/16', 'private'],
  ['100.64.0.0/10', 'private'],
  ['192.0.0.0/24', 'private'],
  ['192.0.2.0/24', 'private'],
  ['198.51.100.0/24', 'private'],
  ['203.0.113.0/24', 'private'],
  ['198.18.0.0/15', 'private'],
  ['2001:db8::/32', 'private'],
  ['3fff::/20', 'private'],
  // a translator of one's own (RFC 8215) puts the IPv4 address where it likes
  ['64:ff9b:1::/48', 'private'],
]

/** IPv6 addresses that lead to an IPv4 address, and where in them it is, in bytes. */
const EMBEDDINGS: readonly (readonly [prefix: string, at: number])[] = [
  ['::ffff:0:0/96', 12], // IPv4-mapped
  ['::ffff:0:0:0/96', 12], // IPv4-translated (RFC 2765)
  ['64:ff9b::/96', 12], // NAT64
  ['2002::/16', 2], // 6to4
  ['::/96', 12], // IPv4-compatible
]
const GLOBAL_UNICAST = prefix('2000::/3')
/** Teredo (RFC 4380) has its server's address in bytes 4 to 7 and its client's, inverted, in the last four. */
const TEREDO = prefix('2001::/32')

const TABLE = ROWS.map(([text, is]) => ({ ...prefix(text), is }))
const EMBEDDED = EMBEDDINGS.map(([text, at]) => ({ ...prefix(text), at }))

/** The class of an IP address in text, with or without brackets or zone; `forbidden` for what is no address. */
export function classOf(address: string): AddressClass {
  const bytes = bytesOf(address)
  return bytes === undefined ? 'forbidden' : classOfBytes(bytes)
}

function classOfBytes(bytes: Uint8Array): AddressClass {
  const row = TABLE.find((candidate) => contains(candidate, bytes))
  if (row !== undefined) return row.is
  if (bytes.length === 4) return 'public'
  const embedded = EMBEDDED.find((candidate) => contains(candidate, bytes))
  if (embedded !== undefined) return classOfBytes(bytes.subarray(embedded.at, embedded.at + 4))
  if (contains(TEREDO, bytes)) {
    const [server, client] = [bytes.subarray(4, 8), bytes.subarray(12).map((byte) => byte ^ 0xff)].map(classOfBytes)
    return server !== undefined && client !== undefined && isNearer(server, client) ? server : (client ?? 'forbidden')
  }
  return contains(GLOBAL_UNICAST, bytes) ? 'public' : 'private'
}

interface Prefix {
  readonly bytes: Uint8Array
  readonly bits: number
}

function prefix(text: string): Prefix {
  const [address = '', bits] = text.split('/')
  return { bytes: bytesOf(address) ?? new Uint8Array(), bits: Number(bits) }
}

function contains({ bytes: wanted, bits }: Prefix, bytes: Uint8Array): boolean {
  if (wanted.length !== bytes.length) return false
  for (let bit = 0; bit < bits; bit += 8) {
    const mask = bits - bit >= 8 ? 0xff : 0xff << (8 - (bits - bit))
    if ((((wanted[bit / 8] ?? 0) ^ (bytes[bit / 8] ?? 0)) & mask) !== 0) return false
  }
  return true
}

/** Four or sixteen bytes. */
function bytesOf(text: string): Uint8Array | undefined {
  const bare = text.replace(/^\[|\]$/g, '')
  // no pattern: one that looks for the end from every percent sign takes the square of the length
  const zone = bare.indexOf('%')
  const address = zone < 0 ? bare : bare.slice(0, zone)
  const family = isIP(address)
  if (family === 4) return Uint8Array.from(address.split('.'), Number)
  return family === 6 ? bytesOfIpv6(address) : undefined
}

function bytesOfIpv6(text: string): Uint8Array {
  // URL spells an IPv4 tail as two groups
  const plain = new URL(`http://[${text}]`).hostname.slice(1, -1)
  const [head = '', tail] = plain.split('::')
  const groups = (part: string | undefined): string[] => (part ? part.split(':') : [])
  const [before, after] = [groups(head), groups(tail)]
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  const bytes = new Uint8Array(16)
  for (const [i, group] of [...before, ...zeros, ...after].entries()) {
    const value = Number.parseInt(group, 16)
    bytes[2 * i] = value >> 8
    bytes[2 * i + 1] = value & 0xff
  }
  return bytes
}
