import type { Command } from 'commander'
import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import type { Order, OrderSigner } from '../trust/index.ts'
import { loadOrderSigner } from '../trust/index.ts'
import type { CommandIo } from './command-io.ts'

const VARIABLE = 'SHOAL_CREDENTIAL'
const KEY_VARIABLE = 'SHOAL_CREDENTIAL_KEY'

/** The options of every command that acts on other hosts of the fleet. */
export function withCredential(command: Command): Command {
  return command
    .option(
      '--credential <file>',
      `what lets you act on the fleet: its cache key, or an operator's certificate (or ${VARIABLE}); not needed on a cache`,
    )
    .option('--credential-key <file>', `its private key, where that is a file of its own (or ${KEY_VARIABLE})`)
}

export const credentialSchema = z.object({ credential: z.string().optional(), credentialKey: z.string().optional() })

/**
 * What the user may sign orders with; undefined when none is named: then it is the agent's to say whether it may act by
 * itself. Throws `CONFIG_INVALID` for a file that cannot be read or gives no such right.
 */
export async function openCredential(
  { credential, credentialKey }: z.infer<typeof credentialSchema>,
  { env }: Pick<CommandIo, 'env'>,
): Promise<OrderSigner | undefined> {
  const certificate = named(credential, env[VARIABLE])
  if (certificate === undefined) return undefined
  return loadOrderSigner({ certificate, key: named(credentialKey, env[KEY_VARIABLE]) })
}

/** An order that was to be signed. A credential that was opened can sign. */
export function signed(order: Order | undefined): Order {
  if (order === undefined) throw new ShoalError('CONFIG_INVALID', '--credential: it gives no right to act on the fleet')
  return order
}

function named(option: string | undefined, variable: string | undefined): string | undefined {
  const value = option ?? variable
  return value === '' ? undefined : value
}
