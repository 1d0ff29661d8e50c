import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { refused } from '../../src/base/outcome.ts'
import { seededRng } from '../../src/base/rng.ts'
import { blobRequests } from '../../src/blob/index.ts'
import type { PeerLink, SwarmOptions } from '../../src/swarm/index.ts'
import { MAX_QUEUED_PIECES, PIECE_CHANNEL_KINDS } from '../../src/swarm/index.ts'
import { HostilePeer } from './swarm-hostile.ts'
import type { TestHost } from './swarm-support.ts'
import { GatheringSink, soon, TestFleet, until } from './swarm-support.ts'

const MIB = 1024 * 1024
const never = new AbortController().signal

async function linkedPair(
  fleet: TestFleet,
  options: Partial<SwarmOptions> = {},
): Promise<{ hosts: [TestHost, TestHost]; links: [PeerLink, PeerLink] }> {
  const [left, right] = [await fleet.host(options), await fleet.host(options)]
  const link = await left.swarm.connect(right.swarm.self, soon())
  await until(() => right.swarm.links.size === 1, 'the other side')
  return { hosts: [left, right], links: [link, [...right.swarm.links.values()][0]!] }
}

function pieceBytes(seed: number, length: number): Uint8Array {
  const rng = seededRng(seed)
  const words = new Uint32Array(length / 4)
  for (let i = 0; i < words.length; i++) words[i] = rng.below(2 ** 32)
  return new Uint8Array(words.buffer)
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Sends `count` pieces from one end and answers the digests of what came out at the other, two at a time like a leecher. */
async function transfer(from: PeerLink, to: PeerLink, pieces: readonly Uint8Array[]): Promise<string[]> {
  const digests: string[] = []
  let next = 0
  // One buffer for each sender, overwritten as soon as sending is said to be over: the transport must not need it then.
  const sender = async (): Promise<void> => {
    const buffer = new Uint8Array(MIB)
    while (next < pieces.length) {
      const piece = next++
      const sink = new GatheringSink()
      to.expect(piece, sink)
      buffer.set(pieces[piece]!)
      assert.equal(await from.sendPiece(piece, piece, buffer, never), true)
      buffer.fill(0xee)
      digests[piece] = sha256(await sink.done)
      assert.equal(sink.piece, piece)
    }
  }
  await Promise.all([sender(), sender()])
  return digests
}

for (const pieceChannel of PIECE_CHANNEL_KINDS) {
  test(`${pieceChannel}: 64 pieces of 1 MiB each way at once arrive intact, and buffers may be reused at once`, async () => {
    await using fleet = await TestFleet.create()
    const { links } = await linkedPair(fleet, { pieceChannel })
    const pieces = Array.from({ length: 64 }, (_, i) => pieceBytes(i + 1, MIB))
    const expected = pieces.map(sha256)
    const [there, back] = await Promise.all([
      transfer(links[0], links[1], pieces),
      transfer(links[1], links[0], pieces),
    ])
    assert.deepEqual(there, expected)
    assert.deepEqual(back, expected)
  })

  test(`${pieceChannel}: control messages pass pieces that are under way`, async () => {
    await using fleet = await TestFleet.create()
    const { hosts, links } = await linkedPair(fleet, { pieceChannel })
    hosts[1].events.answer = async () => ({ kind: 'stat', size: 1 })
    const bytes = new Uint8Array(4 * MIB)
    let arrived = 0
    let calls = 0
    const sent = Array.from({ length: MAX_QUEUED_PIECES }, (_, id) => {
      links[1].expect(id, { begin: () => bytes, progress() {}, end: () => void arrived++ })
      return links[0].sendPiece(id, id, new Uint8Array(4 * MIB), never)
    })
    const args = { upstream: 'docker.io', repository: 'a/b', digest: `sha256:${'ab'.repeat(32)}` as never }
    while (arrived < MAX_QUEUED_PIECES) {
      await links[0].request(blobRequests.stat, args, soon())
      if (arrived < MAX_QUEUED_PIECES) calls++
    }
    await Promise.all(sent)
    // Behind the pieces, not one answer would come before the last piece.
    assert.ok(calls > MAX_QUEUED_PIECES, `${calls} round trips while ${MAX_QUEUED_PIECES} pieces of 4 MiB went out`)
  })
}

test('across regions windows grow, and pieces arrive as well', async () => {
  await using fleet = await TestFleet.create()
  const [left, right] = [await fleet.host({ region: 'eu' }), await fleet.host({ region: 'us' })]
  const link = await left.swarm.connect(right.swarm.self, soon())
  await until(() => right.swarm.links.size === 1, 'the other side')
  const pieces = Array.from({ length: 16 }, (_, i) => pieceBytes(i + 1, MIB))
  assert.deepEqual(await transfer(link, [...right.swarm.links.values()][0]!, pieces), pieces.map(sha256))
  await using peer = await HostilePeer.create()
  await peer.dial(right.address)
  assert.ok(peer.pieces !== undefined && 'maxStreamWindowSize' in peer.pieces, 'the field that is set still exists')
})

test('a call that its asker gives up is aborted at the other end, and one with a 4 MiB answer is answered', async () => {
  await using fleet = await TestFleet.create()
  const { hosts, links } = await linkedPair(fleet)
  let aborted = false
  hosts[1].events.answer = (name, _args, signal) => {
    if (name === 'referrers') {
      const found = { kind: 'referrers', bytes: new Uint8Array(4 * MIB).fill(7), filtered: true }
      return Promise.resolve(found)
    }
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        aborted = true
        resolve(refused('unavailable', 'aborted'))
      })
    })
  }
  const place = { upstream: 'docker.io', repository: 'a/b' }
  const digest = `sha256:${'ab'.repeat(32)}` as never
  const controller = new AbortController()
  const reason = new Error('enough')
  const stat = links[0].request(blobRequests.stat, { ...place, digest }, controller.signal)
  const large = await links[0].request(blobRequests.referrers, { ...place, digest }, soon())
  assert.deepEqual(large, { kind: 'referrers', bytes: new Uint8Array(4 * MIB).fill(7), filtered: true })
  controller.abort(reason)
  await assert.rejects(stat, reason)
  await until(() => aborted, 'the abort')
})

interface Child extends AsyncDisposable {
  readonly process: ChildProcess
  readonly address: string
  saw(line: string): boolean
}

async function startChild(fleet: TestFleet): Promise<Child> {
  const script = new URL('./swarm-child.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, join(fleet.directory, 'child')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  await until(() => lines.some((line) => line.startsWith('listening')), 'the child')
  return {
    process: child,
    address: lines.find((line) => line.startsWith('listening'))?.split(' ')[1] ?? '',
    saw: (line) => lines.includes(line),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

test('a peer killed in the middle of a piece is unlinked, and the piece is not sent', async () => {
  await using fleet = await TestFleet.create()
  await using child = await startChild(fleet)
  const host = await fleet.host()
  const link = await host.swarm.connectAddress(child.address, soon())
  const call = link.request(blobRequests.tags, { upstream: 'docker.io', repository: 'a/b' }, soon())
  call.catch(() => {})
  const sent = Array.from({ length: MAX_QUEUED_PIECES }, (_, id) =>
    link.sendPiece(id + 1, id, new Uint8Array(4 * MIB), never),
  )
  await until(() => child.saw('receiving'), 'some bytes')
  child.process.kill('SIGKILL')
  await until(() => host.events.unlinkedPeers.length === 1, 'the end')
  const results = await Promise.all(sent)
  assert.equal(results.at(-1), false)
  assert.equal(await link.sendPiece(99, 0, new Uint8Array(1), never), false)
  await assert.rejects(call, { code: 'PEER_GONE' })
  assert.equal(host.swarm.links.size, 0)
  assert.equal(host.events.unlinkedPeers.length, 1)
})

test('a peer that stops reading holds up its own pieces only, costs no memory, and is unlinked by silence', async () => {
  await using fleet = await TestFleet.create()
  await using child = await startChild(fleet)
  const host = await fleet.host({ limits: { pingIntervalMs: 1_000 } })
  const other = await fleet.host()
  const link = await host.swarm.connectAddress(child.address, soon())
  await until(() => child.saw('linked'), 'the child')
  child.process.kill('SIGSTOP')
  const before = process.memoryUsage()
  const bytes = new Uint8Array(4 * MIB)
  const sent = Array.from({ length: 60 }, (_, id) => link.sendPiece(id, id, bytes, never))
  assert.deepEqual(new Set(await Promise.all(sent.slice(MAX_QUEUED_PIECES))), new Set([false]))
  const free = await other.swarm.connect(host.swarm.self, soon())
  const digests = await transfer(host.swarm.links.get(other.swarm.self.key)!, free, [pieceBytes(1, MIB)])
  assert.deepEqual(digests, [sha256(pieceBytes(1, MIB))], 'others are served meanwhile')
  const grown = process.memoryUsage().external - before.external
  assert.ok(grown < 32 * MIB, `grew by ${grown} bytes for 60 pieces of 4 MiB`)
  await until(() => !host.swarm.links.has(link.peer.key), 'the end of the silent link')
  assert.deepEqual(new Set((await Promise.all(sent)).slice(8)), new Set([false]))
})
