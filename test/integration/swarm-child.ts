// A swarm in a process of its own, for tests that stop or kill it. Prints where it listens, then `ready` for each link.

import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { noMetrics } from '../../src/base/metrics.ts'
import { PROTOCOL } from '../../src/node/protocol.ts'
import { Libp2pSwarm, LOOPBACK_KEY } from '../../src/swarm/index.ts'
import { ANY_PORT } from '../support/address-of.ts'

const [identityPath = ''] = process.argv.slice(2)

await using swarm = await Libp2pSwarm.start(
  { listen: ANY_PORT, role: 'agent', region: 'child', zone: null, fleetKey: LOOPBACK_KEY, identityPath },
  {
    events: {
      linked: (link) => {
        const buffer = new Uint8Array(4 * 1024 * 1024)
        // Whatever comes under id 1 is taken, and its progress told once there is some.
        let told = false
        link.expect(1, {
          begin: (_piece, length) => buffer.subarray(0, length),
          progress: () => {
            if (!told) process.stdout.write('receiving\n')
            told = true
          },
          end: () => process.stdout.write('received\n'),
        })
        process.stdout.write('linked\n')
      },
      unlinked() {},
      message() {},
      request: async () => await new Promise(() => {}),
    },
    protocol: PROTOCOL,
    clock: systemClock,
    logger: silentLogger,
    metrics: noMetrics,
  },
)
process.stdout.write(`listening ${swarm.self.addresses[0]}\n`)
// Lives until its parent ends it, or goes away itself.
await new Promise((resolve) => process.stdin.once('close', resolve).resume())
