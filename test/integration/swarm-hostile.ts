import { noise } from '@chainsafe/libp2p-noise'
import type { Connection, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { Libp2p } from 'libp2p'
import { createLibp2p } from 'libp2p'
import { parseAddress } from '../../src/base/address.ts'
import type { FleetKey } from '../../src/swarm/index.ts'
import { LOOPBACK_KEY } from '../../src/swarm/index.ts'
import { toMultiaddr } from '../../src/swarm/multiaddr.ts'
import type { Frame } from '../../src/swarm/wire.ts'
import { encodeFrame } from '../../src/swarm/wire.ts'
import { CONTROL_PROTOCOL, PIECES_PROTOCOL, PROTOCOL_VERSION } from '../../src/swarm/wire-limits.ts'
import { FleetTrust } from '../../src/trust/index.ts'

/** A frame by hand: what encodeFrame() would not write. */
export function framed(body: Uint8Array): Uint8Array {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(body.length)
  return Buffer.concat([head, body])
}

/** A libp2p node that speaks the protocol by hand: as much of it as a test wants, right or wrong. */
export class HostilePeer implements AsyncDisposable {
  readonly #libp2p: Libp2p
  readonly #trust: FleetTrust
  connection: Connection | undefined
  control: Stream | undefined
  pieces: Stream | undefined
  readonly received: Buffer[] = []

  private constructor(libp2p: Libp2p, key: FleetKey) {
    this.#libp2p = libp2p
    this.#trust = new FleetTrust(key)
  }

  static async create(key: FleetKey = LOOPBACK_KEY): Promise<HostilePeer> {
    const libp2p = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionMonitor: { enabled: false },
    })
    return new HostilePeer(libp2p, key)
  }

  get key(): string {
    return this.#libp2p.peerId.toString()
  }

  get address(): string {
    const port = this.#libp2p
      .getMultiaddrs()[0]
      ?.getComponents()
      .find((part) => part.name === 'tcp')?.value
    return `127.0.0.1:${port}`
  }

  /** Waits for somebody to open a control stream, and hands it over. */
  async listen(onControl: (stream: Stream) => void): Promise<void> {
    await this.#libp2p.handle(CONTROL_PROTOCOL, (stream) => onControl(stream))
    await this.#libp2p.handle(PIECES_PROTOCOL, () => {})
  }

  /** Connects and opens both streams; says nothing yet. */
  async dial(address: string): Promise<void> {
    const place = parseAddress(address)
    if (place === undefined) throw new Error('no address')
    this.connection = await this.#libp2p.dial(toMultiaddr(place), { force: true })
    this.control = await this.connection.newStream(CONTROL_PROTOCOL)
    this.control.addEventListener('message', (event) => this.received.push(Buffer.from(event.data.subarray())))
    this.pieces = await this.connection.newStream(PIECES_PROTOCOL)
  }

  /** From here on it reads nothing of its control stream: what it is sent stays with the sender. */
  stopReading(): void {
    this.control?.pause()
  }

  send(bytes: Uint8Array): void {
    try {
      this.control?.send(bytes)
    } catch {
      // Closed by the other side, as it should be.
    }
  }

  say(frame: Frame): void {
    this.send(encodeFrame(frame))
  }

  /**
   * A correct hello and about, so that what follows comes from a member: of today's version, or of the one that the last
   * two arguments make of it.
   */
  introduce(
    verifier: string,
    speaks?: readonly string[],
    versions: { readonly version: number; readonly min?: number; readonly max?: number } = {
      version: PROTOCOL_VERSION,
    },
  ): void {
    this.say({ frame: 'hello', ...versions, proof: this.#trust.proveMember(this.key, verifier) })
    this.say({ frame: 'about', role: 'agent', region: 'test', zone: null, addresses: [], software: 'hostile', speaks })
  }

  /** The same, claiming to be a cache. */
  claimCache(verifier: string, roleProof: Uint8Array | undefined): void {
    this.say({ frame: 'hello', version: PROTOCOL_VERSION, proof: this.#trust.proveMember(this.key, verifier) })
    this.say({ frame: 'about', role: 'cache', roleProof, region: 'test', zone: null, addresses: [], software: 'liar' })
  }

  /** The same, showing a certificate (DER). */
  claimCertified(verifier: string, certificate: Uint8Array, proof: Uint8Array): void {
    this.say({ frame: 'hello', version: PROTOCOL_VERSION, proof: this.#trust.proveMember(this.key, verifier) })
    const about = { role: 'cache', region: 'test', zone: null, addresses: [], software: 'thief' } as const
    this.say({ frame: 'about', ...about, certificate, proof })
  }

  get closed(): boolean {
    return this.connection?.status !== 'open'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#libp2p.stop()
  }
}
