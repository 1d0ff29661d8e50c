import type { Server } from 'node:net'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'

/**
 * Has a listening server accept nothing for a while. Clients that connect meanwhile are neither served nor refused, but wait in the
 * kernel's queue. Node has no call for this; but a listening socket can be moved to another thread, and so into a channel,
 * where it lies until it is taken back.
 */
export class AcceptPause {
  readonly #server: Server
  #channel: MessageChannel | undefined

  constructor(server: Server) {
    this.#server = server
  }

  get isPaused(): boolean {
    return this.#channel !== undefined
  }

  /** Whether it is paused now. A socket that is no TCP port cannot be moved, nor can one that does not listen. */
  pause(): boolean {
    if (this.#channel !== undefined) return true
    if (!this.#server.listening) return false
    const channel = new MessageChannel()
    try {
      channel.port1.postMessage(this.#server, [this.#server])
    } catch {
      channel.port1.close()
      return false
    }
    this.#channel = channel
    return true
  }

  /** Accepts again, first those who have waited longest. */
  resume(): void {
    const channel = this.#channel
    if (channel === undefined) return
    this.#channel = undefined
    const moved: { readonly message: Server } | undefined = receiveMessageOnPort(channel.port2)
    channel.port1.close()
    if (moved !== undefined) this.#server.listen(moved.message)
  }
}
