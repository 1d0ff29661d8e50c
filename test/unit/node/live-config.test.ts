import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changedKeys, defaultConfig } from '../../../src/config/index.ts'
import { LIVE_KEYS } from '../../../src/node/live-config.ts'

/** Why a key is not taken up while the host runs. */
const RESTART: Readonly<Record<string, string>> = {
  role: 'what the host is to its fleet is settled when links are made',
  'mirror.listen': 'a socket is bound once',
  'mirror.open': 'judged with the address it is about',
  'peer.listen': 'a socket is bound once',
  'peer.announce': 'told to peers when links are made',
  'peer.pieceChannel': 'settled when links are made',
  'admin.listen': 'a socket is bound once',
  'admin.tokenFile': 'who may come in is settled with the socket',
  'admin.socket': 'a socket is bound once',
  'store.path': 'one process, one store',
  'tier.region': 'settled when links are made',
  'tier.zone': 'settled when links are made',
  'tier.labels': 'told to caches when links are made',
  'tier.caches': 'homes are ranked by who is linked: a change under way would move them all',
  'tier.parents': 'as tier.caches',
  'transfer.originRanges': 'given to the transfers when they are built',
  'log.pretty': 'belongs to the terminal',
  'tracing.endpoint': 'the exporter is loaded at the start, or never',
}

/** Read again by the rules of their own: the files they name are watched, and a change of the keys is told. */
const CREDENTIALS = /^fleet\./
const PREWARM = /^prewarm\./

/** All keys as a user writes them, but for those of single upstreams. */
function allKeys(): string[] {
  const { upstreams: _, ...known } = defaultConfig('/tmp')
  return changedKeys({ ...blank(known), upstreams: [] } as never, { ...known, upstreams: [] } as never)
}

/** The same shape with nothing in it. */
function blank(value: object): object {
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const isGroup =
        typeof inner === 'object' &&
        inner !== null &&
        !Array.isArray(inner) &&
        !('host' in inner) &&
        Object.keys(inner).length > 0
      return [key, isGroup ? blank(inner) : Symbol(key)]
    }),
  )
}

test('every key is taken up by a reload, or it is written down why not', () => {
  const rest = allKeys().filter((key) => !LIVE_KEYS.has(key) && !CREDENTIALS.test(key) && !PREWARM.test(key))
  assert.deepEqual(rest.toSorted(), Object.keys(RESTART).toSorted())
  for (const key of LIVE_KEYS) assert.ok(allKeys().includes(key), `${key} is no key`)
})
