import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { noMetrics } from '../../src/base/metrics.ts'
import { SwarmHub } from '../../src/node/swarm-hub.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { PeerLink } from '../../src/swarm/index.ts'
import { Libp2pSwarm, LOOPBACK_KEY } from '../../src/swarm/index.ts'
import type { TransferMessage } from '../../src/transfer/index.ts'
import { transferMessages } from '../../src/transfer/index.ts'
import { costOf } from './cost.ts'
import type { ChannelKind, Cost, Task } from './tasks.ts'

const PIECE_BYTES = 1024 * 1024
/** As a leecher asks one neighbour. */
const OUTSTANDING = 2
const DIAL_TIMEOUT_MS = 10_000
const BLOB = `sha256:${'00'.repeat(32)}` as Digest
const PROTOCOL = { request: transferMessages.request }
const never = new AbortController().signal

/** Sends whatever piece is asked for, over a real link. */
export async function servePieces(kind: ChannelKind, directory: string): Promise<{ address: string | undefined }> {
  const bytes = new Uint8Array(randomBytes(PIECE_BYTES))
  const swarm = await startSwarm(kind, directory, ({ id, piece }, link) => {
    void link.sendPiece(id, piece, bytes, never)
  })
  return { address: swarm.self.addresses[0] }
}

/** What receiving pieces over a new link costs. */
export async function receivePieces({
  channel,
  directory,
  address,
  bytes,
}: Task & { do: 'pieces-receive' }): Promise<Cost> {
  await using swarm = await startSwarm(channel, directory, () => {})
  const link = await swarm.connectAddress(address, AbortSignal.timeout(DIAL_TIMEOUT_MS))
  return await costOf(() => receive(link, Math.ceil(bytes / PIECE_BYTES)))
}

type Asked = (request: TransferMessage<'request'>, link: PeerLink) => void

function startSwarm(kind: ChannelKind, directory: string, asked: Asked): Promise<Libp2pSwarm> {
  const identity = { role: 'agent', region: 'bench', zone: null, fleetKey: LOOPBACK_KEY } as const
  const hub = new SwarmHub<typeof PROTOCOL>()
  hub.attach({ linked() {}, unlinked() {}, handlers: { request: (link, request) => asked(request, link) } })
  return Libp2pSwarm.start(
    {
      ...identity,
      listen: { host: '127.0.0.1', port: 0 },
      identityPath: join(directory, `${process.pid}-${kind}`),
      pieceChannel: kind,
    },
    { events: hub, protocol: PROTOCOL, clock: systemClock, logger: silentLogger, metrics: noMetrics },
  )
}

/** Asks for pieces, a few at a time, until all are in. */
function receive(link: PeerLink, pieces: number): Promise<void> {
  const buffers = Array.from({ length: OUTSTANDING }, () => new Uint8Array(PIECE_BYTES))
  return new Promise((resolve) => {
    let [asked, done] = [0, 0]
    const ask = (): void => {
      const id = asked++
      const buffer = buffers[id % OUTSTANDING]!
      link.expect(id, {
        begin: () => buffer,
        progress() {},
        end: () => {
          done++
          if (done === pieces) resolve()
          else if (asked < pieces) ask()
        },
      })
      link.send(transferMessages.request, { id, blob: BLOB, piece: id, background: false })
    }
    for (let i = 0; i < OUTSTANDING; i++) ask()
  })
}
