import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'

/** A bare TCP connection to a server on loopback, for what HTTP clients hide: FIN or RST, stray bytes, silence. */
export class RawConnection implements Disposable {
  readonly socket: Socket
  /** How the server ended the connection; pending while it has not. */
  readonly ended: Promise<'fin' | 'rst'>
  /** Whether it has. */
  isEnded = false
  #received: Buffer = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.socket = socket
    this.ended = new Promise((resolve) => {
      socket.once('end', () => resolve('fin'))
      socket.on('error', () => resolve('rst'))
    })
    void this.ended.then(() => {
      this.isEnded = true
    })
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      socket.emit('received')
    })
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ port, host: '127.0.0.1' })
    await once(socket, 'connect')
    return new RawConnection(socket)
  }

  /** All bytes received so far. */
  get received(): Buffer {
    return this.#received
  }

  send(text: string): void {
    this.socket.write(text)
  }

  /** Waits until `enough` holds for what has been received; rejects when the connection ends before that. */
  async until(enough: (received: Buffer) => boolean): Promise<Buffer> {
    while (!enough(this.#received)) {
      const more = once(this.socket, 'received')
      const end = this.ended.then((how) => {
        if (!enough(this.#received))
          throw new Error(`${how} after ${JSON.stringify(this.#received.toString('latin1'))}`)
      })
      await Promise.race([more, end])
    }
    return this.#received
  }

  /** Waits for a whole header section. */
  async head(): Promise<string> {
    const received = await this.until((bytes) => bytes.includes('\r\n\r\n'))
    return received.toString('latin1', 0, received.indexOf('\r\n\r\n'))
  }

  /** What has been received after the first header section. */
  get body(): Buffer {
    const at = this.#received.indexOf('\r\n\r\n')
    return at < 0 ? Buffer.alloc(0) : this.#received.subarray(at + 4)
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}

/** Sends one request and waits for the server to close; says what came and how it ended. */
export async function rawExchange(
  port: number,
  request: string,
): Promise<{ readonly status: number; readonly head: string; readonly body: string; readonly ended: 'fin' | 'rst' }> {
  using connection = await RawConnection.open(port)
  connection.send(request)
  const ended = await connection.ended
  const head = connection.received.toString('latin1').split('\r\n\r\n', 1)[0] ?? ''
  return { status: Number(head.split(' ')[1]), head, body: connection.body.toString('latin1'), ended }
}
