import type { TLSSocket } from 'node:tls'
import type { TlsOffer } from './wire-types.ts'

/** The connection a ticket was made for: whose it must be, and who takes it. */
interface Claim {
  readonly certificate: Uint8Array
  readonly take: (socket: TLSSocket) => void
}

/**
 * One token, from when it is offered until its connection has come or its link is over. The peer may use it before this
 * side has heard who the peer is; then the connection waits.
 */
export class TlsTicket implements Disposable {
  readonly offer: TlsOffer
  readonly #check: (socket: TLSSocket, claim: Claim) => void
  readonly #void: () => void
  #claim: Claim | undefined
  #arrived: TLSSocket | undefined

  constructor(offer: TlsOffer, check: (socket: TLSSocket, claim: Claim) => void, voided: () => void) {
    this.offer = offer
    this.#check = check
    this.#void = voided
  }

  /** The link is made: its peer will show a certificate with this fingerprint. */
  claim(certificate: Uint8Array, take: (socket: TLSSocket) => void): void {
    this.#claim = { certificate, take }
    this.#meet()
  }

  /** Somebody has shown the token. */
  arrive(socket: TLSSocket): void {
    this.#arrived = socket
    this.#meet()
  }

  [Symbol.dispose](): void {
    this.#void()
    this.#arrived?.destroy()
    this.#arrived = undefined
    this.#claim = undefined
  }

  #meet(): void {
    if (this.#claim === undefined || this.#arrived === undefined) return
    const socket = this.#arrived
    this.#arrived = undefined
    this.#check(socket, this.#claim)
  }
}
