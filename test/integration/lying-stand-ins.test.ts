import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import type { BuiltImage } from '../../src/demo/index.ts'
import type { PeerLink } from '../../src/swarm/index.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../../src/swarm/index.ts'
import type { JoinRequest, JoinResponse } from '../../src/transfer/index.ts'
import { transferMessages } from '../../src/transfer/index.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import type { TestHost } from './swarm-support.ts'
import { soon, standsIn, TestFleet } from './swarm-support.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024
const REPOSITORY = 'team/app'
/** So many that the host itself is first for next to nothing. */
const LIARS = 12
/** Should it be first for all of one image, there is another: ranks are drawn anew by each run. */
const IMAGES = 4
const HASH_BYTES = 32

type Answer = JoinResponse | Promise<JoinResponse>

interface Lie {
  /** What is said to who wants to join a blob's swarm. */
  readonly join: (join: JoinRequest) => Answer
  /** What is sent after that answer. */
  readonly after?: (link: PeerLink, join: JoinRequest) => void
  /** What is done when a piece is asked for; default: nothing. */
  readonly asked?: (link: PeerLink, request: { id: number; piece: number }) => void
}

const swarm = ({ size = 0 }: JoinRequest, grown = 0, hashes = false): JoinResponse => ({
  kind: 'swarm',
  size: size + grown,
  runs: hashes ? [{ first: 0, hashes: new Uint8Array(randomBytes((HASH_BYTES * size) / (256 * 1024))) }] : [],
  peers: [],
  members: 1,
})
const refused = (reason: 'unknown' | 'denied' | 'unavailable', atWork = false): JoinResponse => ({
  kind: 'refused',
  reason,
  message: 'a lie',
  atWork,
})
const never = (): Promise<never> => new Promise(() => {})

/** All that a host can say first-hand which stands in for the home of a blob. */
const LIES: Readonly<Record<string, Lie>> = {
  'gives up at once': {
    join: swarm,
    after: (link, { digest }) => link.send(transferMessages.giveUp, { blob: digest }),
  },
  'starts over without end': {
    join: swarm,
    after: (link, { digest }) => link.send(transferMessages.leave, { blob: digest }),
  },
  'parts at once': { join: swarm, after: (link, { digest }) => link.send(transferMessages.part, { blob: digest }) },
  'names a larger size': { join: (join) => swarm(join, MIB) },
  'names a smaller size': { join: (join) => swarm(join, -MIB) },
  'says wrong hashes': { join: (join) => swarm(join, 0, true) },
  'says that there is no such blob': { join: () => refused('unknown') },
  'says that nobody may have it': { join: () => refused('denied') },
  'says that it cannot be had': { join: () => refused('unavailable') },
  'is at work for ever': { join: () => refused('unavailable', true) },
  'says nothing': { join: never },
  'gives other bytes at once': { join: () => ({ kind: 'inline', bytes: randomBytes(64) }) },
  'promises everything and sends nothing': { join: swarm },
  'is busy for ever': { join: swarm, asked: (link, { id }) => link.send(transferMessages.busy, { id, queue: 1 }) },
  'sends wrong bytes': {
    join: swarm,
    asked: (link, { id, piece }) => {
      void link.sendPiece(id, piece, new Uint8Array(randomBytes(256 * 1024)), soon()).catch(() => {})
    },
  },
}

/** A member as the home of everything: what it was asked, by name. */
function lying({ events }: TestHost, lie: Lie): string[] {
  const asked: string[] = []
  const links = new Set<PeerLink>()
  events.onLinked = (link) => void links.add(link)
  events.answer = async (name, args) => {
    if (name !== 'join') return refused('unavailable')
    asked.push(name)
    // after the answer, which goes out first
    setTimeout(() => {
      for (const link of links) lie.after?.(link, args as JoinRequest)
    }, 5)
    return lie.join(args as JoinRequest)
  }
  events.onMessage = (link, message) => {
    if (message.type === 'request') lie.asked?.(link, message)
    if (message.type === 'want') {
      for (const [i, id] of message.ids.entries()) lie.asked?.(link, { id, piece: i })
    }
  }
  return asked
}

/** How many others a host knows to stand in for its caches; 0 while these are there. */
async function standIns(node: TestNode): Promise<number> {
  return ((await node.admin('status')) as { tier: { standIns: number } }).tier.standIns
}

/** A host that has lost its cache, among members that all tell one lie. */
async function surrounded(t: TestContext, lie: Lie) {
  const key = generateFleetKey()
  const fleetKey = agentKeyOf(key)
  const members = await TestFleet.create()
  t.after(() => members[Symbol.asyncDispose]())
  const fleet = await NodeFleet.create(t)
  const images: BuiltImage[] = []
  let origin = ''
  for (let n = 0; n < IMAGES; n++) {
    const image = await fleet.image({ sizeBytes: 2 * MIB, layerCount: 1 })
    images.push(image)
    origin = await fleet.push('origin', REPOSITORY, `v${n}`, image)
  }
  const upstreams = [directoryUpstream(UP, origin)]
  const cache = await fleet.start({ role: 'cache', upstreams, key: formatFleetKey(key) })
  const agent = await fleet.start({ upstreams, caches: [cache], key: formatFleetKey(fleetKey) })
  const asked = []
  for (let n = 0; n < LIARS; n++) {
    const liar = await members.host({ region: 'default', fleetKey })
    asked.push(lying(liar, lie))
    await standsIn(liar, cache.peerAddress)
    await liar.swarm.connectAddress(agent.peerAddress, soon())
  }
  await cache.node[Symbol.asyncDispose]()
  await eventually('the cache is gone, and the others stand in', async () => (await standIns(agent)) === LIARS)
  return { agent, images, asked }
}

describe('a pull ends with the right bytes though every host that stands in for the home', { concurrency: 8 }, () => {
  for (const [name, lie] of Object.entries(LIES)) {
    it(name, async (t) => {
      const { agent, images, asked } = await surrounded(t, lie)
      const wasAsked = (): boolean => asked.some((calls) => calls.length > 0)
      let bytes = 0
      for (const [n, image] of images.entries()) {
        await agent.pullInTime(UP, REPOSITORY, `v${n}`, image)
        bytes += image.layers[0]!.size + 64 * 1024
        if (wasAsked()) break
      }
      assert.ok(wasAsked(), 'nobody was asked, so nothing was shown')
      const read = await agent.received('origin')
      assert.ok(read <= 1.5 * bytes, `${read} bytes from the origin`)
      assert.equal((await agent.metrics()).sum('shoal_peers', { state: 'banned' }), 0, 'nobody is banned by a lie')
    })
  }
})
