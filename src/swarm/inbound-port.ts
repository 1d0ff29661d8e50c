import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { placeOf } from './address-group.ts'
import { Arrivals } from './arrivals.ts'
import type { SwarmMetrics } from './metrics.ts'
import type { PieceChannelKind, SwarmLimits } from './options.ts'
import { SharedPort } from './shared-port.ts'
import { TlsServer } from './tls-server.ts'

interface InboundPortOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: SwarmLimits
  readonly pieceChannel: PieceChannelKind
  readonly metrics: () => SwarmMetrics
}

/** What stands between the network and the swarm: who is let in, and by which protocol. */
export class InboundPort implements Disposable {
  readonly arrivals: Arrivals
  /** Undefined when this host wants no TLS. */
  readonly tls: TlsServer | undefined
  readonly shared: SharedPort

  constructor({ clock, logger, limits, pieceChannel, metrics }: InboundPortOptions) {
    this.arrivals = new Arrivals({ clock, limits, refused: (reason) => metrics().refused(reason) })
    const refused = (problem: string): void => {
      metrics().pieceChannel('tls', 'refused')
      logger.debug({ problem }, 'a TLS connection was refused')
    }
    const arrived = (host: string, port: number): void => this.arrivals.settled(placeOf(host, port))
    const tls = pieceChannel === 'stream' ? undefined : new TlsServer({ clock, limits, refused, arrived })
    this.tls = tls
    this.shared = new SharedPort({
      arrivals: this.arrivals,
      tls: tls === undefined ? undefined : (socket) => tls.accept(socket),
    })
  }

  [Symbol.dispose](): void {
    this.tls?.[Symbol.dispose]()
    this.arrivals[Symbol.dispose]()
  }
}
