import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import type { Order, SignsOrders } from '../trust/index.ts'
import { FleetTrust, parseFleetKey } from '../trust/index.ts'
import type { CommandIo } from './command-io.ts'

const VARIABLE = 'SHOAL_CREDENTIAL'

/** The option of every command that acts on other hosts of the fleet. */
export function withCredential(command: Command): Command {
  return command.option(
    '--credential <file>',
    `what lets you act on the fleet: its cache key, or an operator's certificate (or ${VARIABLE}); not needed on a cache`,
  )
}

export const credentialSchema = z.object({ credential: z.string().optional() })

/**
 * What the user may sign orders with; undefined when none is named: then it is the agent's to say whether it may act by
 * itself. Throws `CONFIG_INVALID` for a file that cannot be read or gives no such right.
 */
export async function openCredential(
  { credential }: z.infer<typeof credentialSchema>,
  { env }: Pick<CommandIo, 'env'>,
): Promise<SignsOrders | undefined> {
  const file = credential ?? env[VARIABLE]
  if (file === undefined || file === '') return undefined
  const trust = new FleetTrust(parseFleetKey(await readCredential(file)))
  if (trust.canOrder) return trust
  throw new ShoalError(
    'CONFIG_INVALID',
    `--credential ${file}: an agent key lets a host take part, not act on the fleet; name the fleet's cache key or an operator's certificate`,
  )
}

/** An order that was to be signed. A credential that was opened can sign. */
export function signed(order: Order | undefined): Order {
  if (order === undefined) throw new ShoalError('CONFIG_INVALID', '--credential: it gives no right to act on the fleet')
  return order
}

async function readCredential(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new ShoalError('CONFIG_INVALID', `--credential ${file}: cannot be read; check its path and mode`, { cause })
  }
}
