import { fileURLToPath } from 'node:url'
import { commandIn, ManagedProcess } from '../../../src/demo/index.ts'
import { agentKeyOf, formatFleetKey } from '../../../src/trust/index.ts'
import { PORTS } from '../host.ts'
import { UPSTREAM } from '../world.ts'
import type { Fault } from './fault.ts'
import { anyHost, oneOf } from './fault.ts'

const LIAR_PROGRAM = fileURLToPath(new URL('../liar-main.ts', import.meta.url))
const LINKED_WITHIN_MS = 180_000
const FLOOD_CONNECTIONS = 200
const SLOW_CONNECTIONS = 60
const UNREAD_CONNECTIONS = 40

/** A member that claims to have every blob. */
function liar(gives: 'zeroes' | 'nothing', what: string): Fault {
  return {
    what,
    copies: 2,
    refuses: false,
    async inject(world) {
      const images = world.pushed.flatMap((pushed) => pushed.images.map((image) => ({ pushed, image })))
      const blobs = images.flatMap(({ pushed: { repository }, image }) =>
        image.layers.map(({ digest, size }) => ({ repository, digest, size })),
      )
      const settings = JSON.stringify({
        key: formatFleetKey(agentKeyOf(world.key)),
        upstream: UPSTREAM,
        gives,
        hosts: world.hosts.map(({ hand }) => `${hand.host.address}:${PORTS.peer}`),
        blobs,
      })
      const command = commandIn(world.stranger.place, process.execPath, [LIAR_PROGRAM, settings])
      const liar = await ManagedProcess.start({ name: 'lying member', ...command })
      // a hang detector: with a load of forty a program takes a minute to begin
      await liar.waitForLine('linked', (line) => (line === 'linked' ? { line } : undefined), LINKED_WITHIN_MS)
      return async () => void (await liar.stop())
    },
  }
}

export const lyingMember = liar('zeroes', 'a member claims to have every blob, and gives wrong bytes')
export const idleMember = liar('nothing', 'a member claims to have every blob, and answers no request')

/** Connections to a peer port that say something and nothing more. */
function strangers(what: string, connections: number, text: string): Fault {
  return {
    what,
    copies: 0,
    refuses: false,
    async inject(world, draw) {
      const { host } = anyHost(world, draw).hand
      const where = { host: host.address, port: PORTS.peer }
      await world.stranger.tell({ do: 'hold', ...where, connections, text, reads: true })
      return () => world.stranger.tell({ do: 'let-go' })
    },
  }
}

const MULTISTREAM = '\u0013/multistream/1.0.0\n'

export const flood = strangers(
  `${FLOOD_CONNECTIONS} connections bring garbage to a peer port`,
  FLOOD_CONNECTIONS,
  'GET / HTTP/1.1\r\n\r\n'.repeat(2_000),
)
export const slowLoris = strangers(
  `${SLOW_CONNECTIONS} connections begin a handshake at a peer port, and fall silent`,
  SLOW_CONNECTIONS,
  MULTISTREAM,
)

export const unreadAnswers: Fault = {
  what: `${UNREAD_CONNECTIONS} clients ask a mirror for a layer, and read nothing of it`,
  copies: 0,
  refuses: false,
  async inject(world, draw) {
    const { hand } = oneOf(world.agents, draw)
    const { repository, images } = oneOf(world.pushed, (draw * world.agents.length) % 1)
    const digest = images.at(-1)?.layers[0]?.digest
    const path = `/v2/${repository}/blobs/${digest}?ns=${UPSTREAM}`
    const text = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${PORTS.mirror}\r\n\r\n`
    const where = { host: '127.0.0.1', port: PORTS.mirror }
    await hand.tell({ do: 'hold', ...where, connections: UNREAD_CONNECTIONS, text, reads: false })
    return () => hand.tell({ do: 'let-go' })
  },
}
