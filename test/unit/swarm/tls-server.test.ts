import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { connect } from 'node:tls'
import type { Clock } from '../../../src/base/clock.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { DEFAULT_SWARM_LIMITS } from '../../../src/swarm/index.ts'
import { makeSelfSigned } from '../../../src/swarm/self-signed.ts'
import { TlsPieceReader } from '../../../src/swarm/tls-piece-reader.ts'
import { TlsPieceWriter } from '../../../src/swarm/tls-piece-writer.ts'
import { TlsServer } from '../../../src/swarm/tls-server.ts'
import type { TlsTicket } from '../../../src/swarm/tls-ticket.ts'
import { creditRecord } from '../../../src/swarm/uplink-records.ts'
import { PIECE_TLS } from '../../../src/swarm/wire-limits.ts'
import { eventually } from '../../support/eventually.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { tlsOnPort } from './tls-on-port.ts'

const KIB = 1024
const ours = makeSelfSigned()
const theirs = makeSelfSigned()
const CONTENT = new Uint8Array(300 * KIB).fill(0x5a)

/** A TLS server on a port, with one ticket whose link sends CONTENT to whoever is let in. */
interface Stage extends AsyncDisposable {
  readonly tls: TlsServer
  readonly ticket: TlsTicket
  readonly port: number
  readonly refusals: string[]
  readonly writers: TlsPieceWriter[]
}

async function stage(
  limits: Partial<typeof DEFAULT_SWARM_LIMITS.agent> = {},
  clock: Clock = systemClock,
): Promise<Stage> {
  const refusals: string[] = []
  const writers: TlsPieceWriter[] = []
  const tls = new TlsServer(
    {
      clock,
      limits: { ...DEFAULT_SWARM_LIMITS.agent, ...limits },
      refused: (problem) => refusals.push(problem),
    },
    ours,
  )
  const listening = await tlsOnPort(tls)
  const ticket = tls.ticket()
  ticket.claim(theirs.fingerprint, (socket) => {
    const writer = new TlsPieceWriter(socket, { clock: systemClock, control() {} })
    writers.push(writer)
    writer.open({ data() {}, closed() {} })
    writer.write(CONTENT)
  })
  return {
    tls,
    ticket,
    port: listening.port,
    refusals,
    writers,
    [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose](),
  }
}

interface Visit {
  readonly socket: TLSSocket
  readonly received: () => Buffer
}

/** Connects by hand: right in everything but what a test changes. */
async function visit(port: number, changed: ConnectionOptions = {}): Promise<Visit> {
  const socket = connect({
    ...{ host: '127.0.0.1', port, key: theirs.key, cert: theirs.certificate, rejectUnauthorized: false },
    ...{ minVersion: 'TLSv1.3', ALPNProtocols: [PIECE_TLS.alpn] },
    ...changed,
  })
  const chunks: Buffer[] = []
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise((resolve) => {
    socket.once('secureConnect', resolve)
    socket.once('close', resolve)
  })
  return { socket, received: () => Buffer.concat(chunks) }
}

function greeting(token: Uint8Array, windowBytes = 1024 * KIB): Buffer {
  return Buffer.concat([token, creditRecord(windowBytes)])
}

async function turnedAway({ socket, received }: Visit): Promise<void> {
  await eventually('the end of the connection', () => socket.destroyed)
  assert.equal(received().length, 0)
}

test('the peer with its certificate and the token gets the content', async () => {
  await using host = await stage()
  const guest = await visit(host.port)
  guest.socket.write(greeting(host.ticket.offer.token))
  await eventually('the bytes', () => guest.received().length === CONTENT.length + 1)
  assert.equal(guest.received()[0], PIECE_TLS.accepted)
  assert.equal(guest.socket.getProtocol(), 'TLSv1.3')
  assert.equal(guest.socket.getCipher().name, 'TLS_AES_128_GCM_SHA256')
  assert.deepEqual(host.refusals, [])
})

test('wrong certificate: the connection is closed and no byte of content carried', async () => {
  await using host = await stage()
  const { key, certificate } = makeSelfSigned()
  const guest = await visit(host.port, { key, cert: certificate })
  guest.socket.write(greeting(host.ticket.offer.token))
  await turnedAway(guest)
  assert.equal(host.refusals.length, 1)
})

test('missing certificate: the connection is closed and no byte of content carried', async () => {
  await using host = await stage()
  const guest = await visit(host.port, { key: undefined, cert: undefined } as never)
  guest.socket.write(greeting(host.ticket.offer.token))
  await turnedAway(guest)
  assert.equal(host.refusals.length, 1)
})

test('wrong token: the connection is closed and no byte of content carried', async () => {
  await using host = await stage()
  for (const token of [new Uint8Array(PIECE_TLS.tokenBytes), Buffer.alloc(5000, 0xff)]) {
    const guest = await visit(host.port)
    guest.socket.write(greeting(token))
    await turnedAway(guest)
  }
  assert.equal(host.refusals.length, 2)
})

test('wrong ALPN, or none: the connection is closed and no byte of content carried', async () => {
  await using host = await stage()
  for (const ALPNProtocols of [['h2'], undefined]) {
    const guest = await visit(host.port, { ALPNProtocols } as never)
    if (!guest.socket.destroyed) guest.socket.write(greeting(host.ticket.offer.token))
    await turnedAway(guest)
  }
  assert.ok(host.refusals.length >= 1)
})

test('TLS 1.2 is not spoken', async () => {
  await using host = await stage()
  const guest = await visit(host.port, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
  await turnedAway(guest)
})

test('a token is good once, and not after its link has ended', async () => {
  await using host = await stage()
  const first = await visit(host.port)
  first.socket.write(greeting(host.ticket.offer.token))
  await eventually('content', () => first.received().length > 1)
  const second = await visit(host.port)
  second.socket.write(greeting(host.ticket.offer.token))
  await turnedAway(second)
  const ended = host.tls.ticket()
  ended.claim(theirs.fingerprint, () => assert.fail('nobody is to be let in'))
  ended[Symbol.dispose]()
  const late = await visit(host.port)
  late.socket.write(greeting(ended.offer.token))
  await turnedAway(late)
})

test('a connection that comes before its link is made waits for it, and goes when there will be none', async () => {
  await using host = await stage()
  const [early, vain] = [host.tls.ticket(), host.tls.ticket()]
  const guests = await Promise.all([visit(host.port), visit(host.port)])
  guests[0].socket.write(greeting(early.offer.token))
  guests[1].socket.write(greeting(vain.offer.token))
  const taken = Promise.withResolvers<TLSSocket>()
  early.claim(theirs.fingerprint, taken.resolve)
  await taken.promise
  vain[Symbol.dispose]()
  await turnedAway(guests[1])
  assert.ok(!guests[0].socket.destroyed)
})

test('whoever shows no token in time is closed, and too many at once are', async () => {
  const clock = new HandClock()
  await using host = await stage({ maxHandshakes: 2 }, clock)
  const guests = await Promise.all([visit(host.port), visit(host.port), visit(host.port)])
  await eventually('one is too many', () => guests.filter(({ socket }) => socket.destroyed).length === 1)
  // A guest knows that it is in before the host does, whose patience begins then.
  await eventually('the others are waited for in vain', () => {
    clock.fire()
    return guests.every(({ socket }) => socket.destroyed)
  })
  assert.deepEqual(
    guests.map(({ received }) => received().length),
    [0, 0, 0],
  )
  const again = await visit(host.port)
  again.socket.write(greeting(host.ticket.offer.token))
  await eventually('content', () => again.received().length > 1)
})

test('connections that have shown their token do not count against those that arrive', async () => {
  await using host = await stage({ maxHandshakes: 1 })
  for (let i = 0; i < 3; i++) {
    const ticket = host.tls.ticket()
    const taken = Promise.withResolvers<TLSSocket>()
    ticket.claim(theirs.fingerprint, taken.resolve)
    const guest = await visit(host.port)
    guest.socket.write(greeting(ticket.offer.token))
    assert.ok(!(await taken.promise).destroyed)
  }
  assert.deepEqual(host.refusals, [])
})

test('a dialler refuses whoever does not show the certificate it was told, and sends no token', async () => {
  await using host = await stage()
  const tls = new TlsServer({ clock: systemClock, limits: DEFAULT_SWARM_LIMITS.agent, refused() {} }, theirs)
  const reader = new TlsPieceReader(KIB, { opened: () => assert.fail('it is not the peer'), refused() {} })
  const offer = { certificate: makeSelfSigned().fingerprint, token: host.ticket.offer.token }
  const place = { host: '127.0.0.1', port: host.port }
  await assert.rejects(tls.dial({ place, offer }, reader, AbortSignal.timeout(10_000)), { code: 'PEER_REFUSED' })
  assert.deepEqual(host.writers, [])
  // The token is as good as before.
  const guest = await visit(host.port)
  guest.socket.write(greeting(host.ticket.offer.token))
  await eventually('content', () => guest.received().length > 1)
})
