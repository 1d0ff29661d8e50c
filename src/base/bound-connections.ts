import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Bounds a server's connections so that whoever opens many silences nobody: beyond `most`, the one that has been
 * without a request for longest ends, not the new one. Only while every connection has a request running is a new one
 * turned away. (Node's own `maxConnections` turns new ones away however idle the others are.)
 */
export function boundConnections(server: Server, most: number): void {
  /** Longest idle first. */
  const idle = new Set<Socket>()
  const running = new Map<Socket, number>()
  let open = 0
  server.on('connection', (socket: Socket) => {
    open += 1
    idle.add(socket)
    socket.once('close', () => {
      open -= 1
      idle.delete(socket)
      running.delete(socket)
    })
    if (open <= most) return
    const [longest = socket] = idle
    idle.delete(longest)
    longest.destroy()
  })
  server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    idle.delete(socket)
    running.set(socket, (running.get(socket) ?? 0) + 1)
    response.once('close', () => {
      const left = (running.get(socket) ?? 1) - 1
      if (left > 0) running.set(socket, left)
      else running.delete(socket)
      if (left === 0 && !socket.destroyed) idle.add(socket)
    })
  })
}
