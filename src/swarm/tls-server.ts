import { constants, randomBytes } from 'node:crypto'
import type { OnReadOpts, Socket } from 'node:net'
import type { ConnectionOptions, Server, TLSSocket } from 'node:tls'
import { connect, createServer } from 'node:tls'
import type { Address } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import type { SwarmLimits } from './options.ts'
import type { SelfSigned } from './self-signed.ts'
import { certificateFingerprint, makeSelfSigned } from './self-signed.ts'
import type { TlsPieceReader } from './tls-piece-reader.ts'
import { TlsTicket } from './tls-ticket.ts'
import { PIECE_TLS } from './wire-limits.ts'
import type { TlsOffer } from './wire-types.ts'

/** Where the peer's TLS is, and how to recognise it. */
interface TlsTarget {
  readonly place: Address
  readonly offer: TlsOffer
}

const KEEP_ALIVE_MS = 30_000

interface TlsServerOptions {
  readonly clock: Clock
  readonly limits: SwarmLimits
  /** A connection was closed because it was not what a link is waiting for. */
  readonly refused: (problem: string) => void
  /** A connection from this place has shown the token of a link. */
  readonly arrived?: (host: string, port: number) => void
}

/**
 * TLS between members: a certificate for this process, and connections both ways that are pinned to what the two sides
 * have told each other over noise. Nothing else is trusted: no authority, no name, no date.
 */
export class TlsServer implements Disposable {
  readonly #identity: SelfSigned
  readonly #options: TlsServerOptions
  readonly #server: Server
  readonly #tickets = new Map<string, TlsTicket>()
  /** Inbound connections that have not shown a token yet, by who they are from: TLS hides the socket it is given. */
  readonly #arriving = new Map<string, Socket>()

  constructor(options: TlsServerOptions, identity: SelfSigned = makeSelfSigned()) {
    this.#options = options
    this.#identity = identity
    this.#server = createServer({
      ...tlsOptions(identity),
      requestCert: true,
      honorCipherOrder: true,
      handshakeTimeout: options.limits.handshakeTimeoutMs,
    })
    this.#server.on('secureConnection', (socket) => this.#greeted(socket))
    this.#server.on('tlsClientError', (error, socket) => {
      socket.destroy()
      options.refused(errorText(error))
    })
  }

  /** A new token. The ticket is its owner's to dispose, when there will be no link or no longer. */
  ticket(): TlsTicket {
    const token = new Uint8Array(randomBytes(PIECE_TLS.tokenBytes))
    const name = tokenName(token)
    const ticket = new TlsTicket(
      { certificate: this.#identity.fingerprint, token },
      (socket, claim) => {
        const problem = stranger(socket, claim.certificate)
        if (problem === undefined) claim.take(socket)
        else this.#refuse(socket, problem)
      },
      () => void this.#tickets.delete(name),
    )
    this.#tickets.set(name, ticket)
    return ticket
  }

  /** Takes an inbound connection that begins like TLS; its first bytes may be read already, and put back. */
  accept(socket: Socket): void {
    const from = remoteName(socket)
    // nobody has been told a token that could be shown
    if (this.#tickets.size === 0) {
      socket.destroy()
      this.#options.refused('no link waits for a connection')
      return
    }
    if (this.#arriving.size >= this.#options.limits.maxHandshakes) {
      socket.destroy()
      this.#options.refused('too many connections at once')
      return
    }
    this.#arriving.set(from, socket)
    socket.once('close', () => {
      if (this.#arriving.get(from) === socket) this.#arriving.delete(from)
    })
    this.#server.emit('connection', socket)
  }

  /**
   * Connects, checks that it is the peer, and shows the token. What follows is between `reader` and the peer. Rejects
   * `PEER_GONE`, `PEER_REFUSED` when somebody else is there, or with the signal's reason.
   */
  dial({ place, offer }: TlsTarget, reader: TlsPieceReader, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      // Node hands `onread` on to the socket below (net.connect); its types do not say so.
      const options: ConnectionOptions & { onread: OnReadOpts } = {
        ...tlsOptions(this.#identity),
        ...place,
        servername: '',
        onread: reader.onread,
      }
      const socket = connect(options)
      const fail = (error: unknown): void => {
        signal.removeEventListener('abort', onAbort)
        socket.destroy()
        reject(error)
      }
      const onAbort = (): void => fail(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      socket.on('error', (cause) => fail(new ShoalError('PEER_GONE', 'no TLS connection', { cause })))
      socket.on('close', () => fail(new ShoalError('PEER_GONE', 'the TLS connection has ended')))
      socket.once('secureConnect', () => {
        const problem = stranger(socket, offer.certificate)
        if (problem !== undefined) return fail(new ShoalError('PEER_REFUSED', problem))
        settle(socket)
        reader.greet(socket, offer.token)
        signal.removeEventListener('abort', onAbort)
        resolve()
      })
    })
  }

  [Symbol.dispose](): void {
    for (const ticket of [...this.#tickets.values()]) ticket[Symbol.dispose]()
    for (const socket of this.#arriving.values()) socket.destroy()
  }

  #greeted(socket: TLSSocket): void {
    const { clock, limits } = this.#options
    const timer = clock.after(limits.handshakeTimeoutMs, () => this.#refuse(socket, 'no token in time'))
    const onReadable = (): void => {
      const token: unknown = socket.read(PIECE_TLS.tokenBytes)
      if (!(token instanceof Uint8Array)) return
      timer[Symbol.dispose]()
      socket.off('readable', onReadable)
      this.#show(socket, token)
    }
    socket.on('error', () => {})
    socket.once('close', () => timer[Symbol.dispose]())
    settle(socket)
    socket.on('readable', onReadable)
  }

  #show(socket: TLSSocket, token: Uint8Array): void {
    const ticket = token.length === PIECE_TLS.tokenBytes ? this.#tickets.get(tokenName(token)) : undefined
    if (ticket === undefined) {
      this.#refuse(socket, 'no link has this token')
      return
    }
    this.#tickets.delete(tokenName(token))
    this.#arriving.delete(remoteName(socket))
    this.#options.arrived?.(socket.remoteAddress ?? '', socket.remotePort ?? 0)
    ticket.arrive(socket)
  }

  #refuse(socket: TLSSocket, problem: string): void {
    socket.destroy()
    this.#options.refused(problem)
  }
}

/** Why this is not the peer, if it is not. */
function stranger(socket: TLSSocket, fingerprint: Uint8Array): string | undefined {
  if (socket.alpnProtocol !== PIECE_TLS.alpn) return 'it speaks another protocol'
  if (socket.isSessionReused()) return 'it resumes a session'
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return 'it shows no certificate'
  const same = Buffer.from(fingerprint).equals(certificateFingerprint(certificate.raw))
  return same ? undefined : 'its certificate is not the one the peer has named'
}

function tlsOptions({ key, certificate }: SelfSigned) {
  return {
    key,
    cert: certificate,
    minVersion: 'TLSv1.3',
    ALPNProtocols: [PIECE_TLS.alpn],
    // AES-128-GCM first: the fastest wherever the processor helps.
    ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
    // No authority is asked: the certificate itself is known, see stranger().
    rejectUnauthorized: false,
    secureOptions: constants.SSL_OP_NO_TICKET,
  } as const
}

/** Pieces may be far between: what stands in the way shall not forget the connection, nor we not notice its end. */
function settle(socket: TLSSocket): void {
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
}

function remoteName(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}`
}

function tokenName(token: Uint8Array): string {
  return Buffer.from(token).toString('hex')
}
