// A member that links with every host of a fleet, says that it has all blobs, and answers each request for a piece with
// zeroes, or not at all. Prints "linked" once it is, and ends with its parent.
import { z } from 'zod'
import { blobRequests } from '../../src/blob/index.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { Bitfield } from '../../src/piece/bitfield.ts'
import { PieceLayout } from '../../src/piece/piece-layout.ts'
import { transferMessages, transferRequests } from '../../src/transfer/index.ts'
import { parseFleetKey } from '../../src/trust/index.ts'
import { TestFleet } from '../integration/swarm-support.ts'

const settings = z
  .object({
    key: z.string(),
    upstream: z.string(),
    gives: z.enum(['zeroes', 'nothing']),
    hosts: z.array(z.string()),
    blobs: z.array(z.object({ repository: z.string(), digest: z.string(), size: z.number() })),
  })
  .parse(JSON.parse(process.argv[2] ?? 'null'))

const NEVER = new AbortController().signal
const LINK_MS = 10_000
const { upstream } = settings
const blobs = settings.blobs.flatMap(({ repository, digest: text, size }) => {
  const digest = parseDigest(text)
  return digest === undefined ? [] : [{ repository, layout: new PieceLayout(digest, size) }]
})
const layouts = new Map<string, PieceLayout>(blobs.map(({ layout }) => [layout.digest, layout]))

await using fleet = await TestFleet.create()
const fleetKey = parseFleetKey(settings.key)
const { swarm, events } = await fleet.host({ region: 'core', fleetKey })
events.onMessage = (link, message) => {
  const layout = 'blob' in message ? layouts.get(message.blob) : undefined
  if (layout === undefined) return
  if (message.type === 'request' && settings.gives === 'zeroes') {
    link.sendPiece(message.id, message.piece, new Uint8Array(layout.length(message.piece)), NEVER).catch(() => {})
  }
  if (message.type === 'bitfield') {
    const bits = Bitfield.full(layout.count).toBytes()
    link.send(transferMessages.bitfield, { blob: layout.digest, size: layout.size, bits, queue: 0 })
  }
}

/** Some of them may be down, and refuse what it is not a member for. */
async function joinAt(address: string): Promise<void> {
  const signal = AbortSignal.timeout(LINK_MS)
  const link = await swarm.connectAddress(address, signal)
  for (const { repository, layout } of blobs) {
    const target = { kind: 'tag', tag: 'v1' } as const
    await link.request(blobRequests.manifest, { upstream, repository, target }, signal)
    const have = new Uint8Array()
    await link.request(transferRequests.join, { upstream, repository, digest: layout.digest, have }, signal)
  }
}

const done = new Promise<void>((resolve) => process.once('SIGTERM', resolve))
await Promise.allSettled(settings.hosts.map(joinAt))
process.stdout.write('linked\n')
const keepAlive = setInterval(() => {}, 1_000)
await done
clearInterval(keepAlive)
process.exit(0)
