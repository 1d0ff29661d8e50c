import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { TlsServer } from '../../../src/swarm/tls-server.ts'

/** A free loopback port whose connections a TLS server is given; it ends with all of them. */
export async function tlsOnPort(tls: TlsServer): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    tls.accept(socket)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    // AddressInfo: it listens on a port.
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      tls[Symbol.dispose]()
      for (const socket of sockets) socket.destroy()
      await new Promise((done) => server.close(done))
    },
  }
}
