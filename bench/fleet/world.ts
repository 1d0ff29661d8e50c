import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { OriginFaults } from '../../src/demo/index.ts'
import { commandIn, ManagedProcess } from '../../src/demo/index.ts'
import type { Hand } from './hand.ts'

const PROGRAM = fileURLToPath(new URL('./front-main.ts', import.meta.url))
const readySchema = z.object({ url: z.string() })

export type Role = 'agent' | 'cache'

/** What is different around a scenario's daemons, from before they start until all is measured. */
export interface World extends AsyncDisposable {
  /** Where the daemons of a role read the upstream; undefined: from the stage's bucket. */
  originOf?(role: Role): Record<string, unknown> | undefined
  /** The registry that hosts without a mirror pull from; undefined: one of its own over the same content. */
  readonly registry?: string
}

export interface Front extends AsyncDisposable {
  readonly url: string
}

/** A server on a host of the network, in front of another one (`target`, a URL), that misbehaves. */
export async function startFront({ host, place }: Hand, target: string, faults: OriginFaults): Promise<Front> {
  const settings = JSON.stringify({ target, address: host.address, faults })
  const command = commandIn(place, process.execPath, [PROGRAM, settings])
  const started = await ManagedProcess.start({ name: `front on ${host.name}`, ...command })
  const { url } = await started.waitForLine('listening', (line) => {
    return line.startsWith('{') ? readySchema.safeParse(JSON.parse(line)).data : undefined
  })
  return {
    url,
    async [Symbol.asyncDispose]() {
      await started.stop()
    },
  }
}
