import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { connect, createServer } from 'node:tls'
import { makeSelfSigned } from '../../src/swarm/self-signed.ts'
import { costOf } from './cost.ts'
import type { Cost } from './tasks.ts'

const WRITE_BYTES = 256 * 1024
const READ_BYTES = 1024 * 1024
const COUNT_BYTES = 8
const CHEAPEST = { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' } as const

/** Each connection says how many bytes it wants (u64), and gets them. */
export async function serveByTls(): Promise<{ port: number }> {
  const { key, certificate } = makeSelfSigned()
  const server = createServer({ ...CHEAPEST, key, cert: certificate }, (socket) => {
    socket.on('error', () => socket.destroy())
    socket.once('data', (count: Buffer) => void send(socket, Number(count.readBigUInt64BE())).catch(() => {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port }
}

async function send(socket: TLSSocket, bytes: number): Promise<void> {
  const chunk = Buffer.alloc(WRITE_BYTES, 0x5a)
  for (let left = bytes; left > 0; left -= chunk.length) {
    if (!socket.write(left < chunk.length ? chunk.subarray(0, left) : chunk)) await once(socket, 'drain')
  }
  socket.end()
}

/** The cheapest way to receive `bytes` encrypted: one connection, into a buffer of ours. */
export function receiveByTls(port: number, bytes: number): Promise<Cost> {
  return costOf(async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    let left = bytes
    const onread = {
      buffer: new Uint8Array(READ_BYTES),
      callback(count: number): boolean {
        left -= count
        if (left <= 0) resolve()
        return true
      },
    }
    // its types leave out `onread`, which its documentation has
    const options: ConnectionOptions & { onread: typeof onread } = { ...CHEAPEST, onread, rejectUnauthorized: false }
    const socket = connect({ ...options, host: '127.0.0.1', port })
    try {
      await once(socket, 'secureConnect')
      const count = Buffer.alloc(COUNT_BYTES)
      count.writeBigUInt64BE(BigInt(bytes))
      socket.write(count)
      await Promise.race([promise, failed(socket)])
    } finally {
      socket.destroy()
    }
  })
}

async function failed(socket: TLSSocket): Promise<never> {
  await once(socket, 'close')
  throw new Error('the sender hung up')
}
