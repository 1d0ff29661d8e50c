import type { OnReadOpts } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { ByteInlet, ByteOutlet, ByteReceiver } from './byte-channel.ts'
import { TlsUplink } from './tls-uplink.ts'
import { PIECE_TLS } from './wire-limits.ts'

/** One TLS record: it is never given more at a time. */
const READ_BYTES = 16 * 1024

/** Called synchronously, one of them, once. */
interface ReaderEvents {
  /** The peer has accepted the connection, and takes control frames by `uplink`. The reader must be opened before this returns. */
  opened(uplink: ByteOutlet): void
  /** The peer has closed it instead. */
  refused(): void
}

/**
 * The receiving half of a TLS piece connection, and the side that makes it. Only a connecting socket can read into a
 * buffer of its own (`onread`), and that halves the CPU it takes to receive. What it tells the peer goes by its uplink.
 */
export class TlsPieceReader implements ByteInlet {
  /** For `tls.connect`. */
  readonly onread: OnReadOpts
  readonly #windowBytes: number
  readonly #events: ReaderEvents
  #socket: TLSSocket | undefined
  #uplink: TlsUplink | undefined
  #receiver: ByteReceiver | undefined
  #accepted = false
  #consumedBytes = 0
  #closed = false

  constructor(windowBytes: number, events: ReaderEvents) {
    this.#windowBytes = windowBytes
    this.#events = events
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
    this.onread = {
      buffer,
      callback: (length) => {
        this.#read(buffer.subarray(0, length))
        return true
      },
    }
  }

  /** Says which link this is. `socket`: proven to be the peer's. */
  greet(socket: TLSSocket, token: Uint8Array): void {
    this.#socket = socket
    if (this.#closed) {
      socket.destroy()
      return
    }
    socket.on('close', () => this.#end())
    this.#uplink = new TlsUplink(socket, () => this.#end())
    this.#uplink.greet(token, this.#windowBytes)
  }

  open(receiver: ByteReceiver): void {
    this.#receiver = receiver
    if (this.#closed) receiver.closed()
  }

  /** The peer learns what has been taken, be it ever so little. */
  acknowledge(): void {
    if (this.#closed || this.#consumedBytes === 0) return
    this.#uplink?.credit(this.#consumedBytes)
    this.#consumedBytes = 0
  }

  close(): void {
    this.#receiver = undefined
    this.#end()
  }

  #read(chunk: Uint8Array): void {
    if (this.#closed) return
    // Before it is clear who speaks, nothing is listened to: whoever does so is not greeted either.
    if (this.#uplink === undefined) {
      this.#end()
      return
    }
    if (this.#accepted) {
      this.#deliver(chunk)
      return
    }
    if (chunk[0] !== PIECE_TLS.accepted) {
      this.#end()
      return
    }
    this.#accepted = true
    this.#events.opened(this.#uplink)
    if (chunk.length > 1) this.#deliver(chunk.subarray(1))
  }

  /** Every byte is taken as it is handed over. */
  #deliver(chunk: Uint8Array): void {
    this.#consumedBytes += chunk.length
    this.#receiver?.data(chunk)
    if (this.#consumedBytes >= this.#windowBytes / 4) this.acknowledge()
  }

  #end(): void {
    if (this.#closed) return
    this.#closed = true
    this.#uplink?.close()
    this.#socket?.destroy()
    if (this.#accepted) this.#receiver?.closed()
    else this.#events.refused()
  }
}
