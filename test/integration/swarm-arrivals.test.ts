import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { test } from 'node:test'
import { addressOf } from '../support/address-of.ts'
import { HostilePeer } from './swarm-hostile.ts'
import type { TestHost } from './swarm-support.ts'
import { TestFleet, until } from './swarm-support.ts'

/** Time enough for a link on a busy machine: no test here waits for it. */
const SLOW = { handshakeTimeoutMs: 20_000, dialTimeoutMs: 20_000 }

/** Keeps so many connections open that say `greeting` and no more; each that is closed is made again. */
class Flood implements Disposable {
  readonly #sockets = new Set<Socket>()
  readonly #port: number
  readonly #from: string
  readonly #greeting: Buffer
  #over = false
  made = 0

  constructor(host: TestHost, count: number, greeting: Buffer, from = '127.0.0.1') {
    this.#port = Number(host.address.split(':').at(-1))
    this.#from = from
    this.#greeting = greeting
    for (let i = 0; i < count; i++) this.#open()
  }

  get open(): number {
    return [...this.#sockets].filter((socket) => socket.readyState === 'open').length
  }

  [Symbol.dispose](): void {
    this.#over = true
    for (const socket of this.#sockets) socket.destroy()
  }

  #open(): void {
    if (this.#over) return
    const socket = connect({ host: '127.0.0.1', port: this.#port, localAddress: this.#from })
    this.made++
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      setTimeout(() => this.#open(), 5)
    })
    socket.resume()
    if (this.#greeting.length > 0) socket.write(this.#greeting)
  }
}

const GREETINGS = [
  ['that say nothing', Buffer.of()],
  ['with half a libp2p greeting', Buffer.from('\x13/multistream/1.0.0\n')],
  ['with half a TLS hello', Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc])],
] as const

for (const [what, greeting] of GREETINGS) {
  test(`a member links while connections ${what} fill the host, from its own address or others`, async () => {
    await using fleet = await TestFleet.create()
    const host = await fleet.host({ limits: { ...SLOW, maxHandshakes: 8 } })
    for (const from of ['127.0.0.1', '127.0.0.2']) {
      using flood = new Flood(host, 64, greeting, from)
      await until(() => flood.made > 64 && flood.open >= 8, 'the flood to fill the host')
      const member = await fleet.host({ limits: SLOW })
      const link = await linked(member, host)
      // it stays, and is not counted as an arrival any more
      await until(() => flood.made > 400, 'the flood to go on')
      assert.equal(host.swarm.links.get(member.swarm.self.key)?.peer.key, member.swarm.self.key)
      link.close('done')
      await until(() => host.swarm.links.size === 0, 'the end of the link')
    }
  })
}

/** Tries as the tier does: again and again. */
async function linked(member: TestHost, host: TestHost): ReturnType<TestHost['swarm']['connect']> {
  const signal = AbortSignal.timeout(60_000)
  for (;;) {
    try {
      return await member.swarm.connect(host.swarm.self, AbortSignal.any([signal, AbortSignal.timeout(4_000)]))
    } catch (error) {
      if (signal.aborted) throw error
    }
  }
}

test('a member links while strangers that get through noise say nothing', async () => {
  await using fleet = await TestFleet.create()
  await using stack = new AsyncDisposableStack()
  const host = await fleet.host({ limits: { ...SLOW, maxHandshakes: 4 } })
  const strangers = await Promise.all(Array.from({ length: 8 }, async () => stack.use(await HostilePeer.create())))
  let over = false
  stack.defer(() => {
    over = true
  })
  let through = 0
  const flood = strangers.map(async (stranger) => {
    while (!over) {
      await stranger.dial(host.address).then(
        () => through++,
        () => {},
      )
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })
  stack.defer(async () => void (await Promise.allSettled(flood)))
  await until(() => through > 8, 'more strangers than there is room for')
  const member = await fleet.host({ limits: SLOW })
  const link = await linked(member, host)
  assert.equal(link.peer.key, host.swarm.self.key)
  over = true
})

test('a host without a link waiting for TLS reads nothing of it', async () => {
  await using fleet = await TestFleet.create()
  const host = await fleet.host({ limits: SLOW })
  const socket = connect({ host: '127.0.0.1', port: Number(host.address.split(':').at(-1)) })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => {})
  socket.write(Buffer.from([0x16, 3, 1]))
  await closed
  assert.equal(host.metrics.pieceChannels.get('tls/refused'), 1)
})

test('pieces that come before the introduction is over end the connection at once', async () => {
  await using fleet = await TestFleet.create()
  const host = await fleet.host({ limits: SLOW })
  await using peer = await HostilePeer.create()
  await peer.dial(host.address)
  peer.pieces?.send(new Uint8Array(100))
  await until(() => peer.closed, 'the end')
  assert.equal(host.events.linkedPeers.length, 0)
})

test('a link over IPv6 outlives the time that an introduction may take', async (t) => {
  await using fleet = await TestFleet.create()
  const listen = addressOf('[::1]:0')
  const limits = { handshakeTimeoutMs: 1_000 }
  const host = await fleet.host({ listen, limits }).catch(() => undefined)
  if (host === undefined) return t.skip('no IPv6 on this machine')
  const member = await fleet.host({ listen, limits: SLOW })
  const link = await linked(member, host)
  const since = performance.now()
  await until(() => performance.now() - since > 1_500, 'the time to pass')
  assert.equal(host.swarm.links.size, 1)
  assert.equal(host.metrics.peers().get('unknown/handshake'), 0)
  link.close('done')
})
