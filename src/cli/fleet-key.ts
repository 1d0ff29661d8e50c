import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { z } from 'zod'
import { errorText, ShoalError } from '../base/errors.ts'
import type { FleetKey } from '../swarm/index.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../swarm/index.ts'
import { parseFleetKeys } from '../trust/index.ts'
import type { CommandIo } from './command-io.ts'
import { createSecretFile } from './secret-file.ts'

const optionsSchema = z.object({
  out: z.string().optional(),
  agentKeyFrom: z.string().optional(),
  json: z.boolean().default(false),
})

const HELP = `
The key is for caches: it also lets them vouch for pieces. Give the other hosts the agent key made from it.
With "shoal fleet" caches get certificates instead, which name a region, end on a date and can be revoked.
Name the file in fleet.keyFile. Files are created for their owner only and never overwritten.

Examples:
  shoal fleet-key --out cache.key
  shoal fleet-key --agent-key-from cache.key --out agent.key
  shoal fleet-key > cache.key
`

/** `shoal fleet-key`: the secret that makes a host a member of a fleet. */
export function createCommand(io: CommandIo): Command {
  return new Command('fleet-key')
    .summary('make the key that hosts of a fleet share')
    .description('Makes the key that proves who belongs to a fleet.')
    .option('--out <file>', 'create this file instead of printing the key')
    .option('--agent-key-from <file>', 'derive the agent key from the cache key in this file')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const { out, agentKeyFrom, json } = optionsSchema.parse(raw)
      const keys = agentKeyFrom === undefined ? [generateFleetKey()] : (await readKeys(agentKeyFrom)).map(agentKeyOf)
      const { kind } = keys[0]!
      const text = keys.map(formatFleetKey).join('\n')
      if (out !== undefined) await createSecretFile('--out', out, `${text}\n`)
      const told = out === undefined ? { kind, key: text } : { kind, file: out }
      if (json) io.stdout.write(`${JSON.stringify(told)}\n`)
      else io.stdout.write(out === undefined ? `${text}\n` : `${out}: ${kind} key created; name it in fleet.keyFile\n`)
    })
}

async function readKeys(file: string): Promise<FleetKey[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new ShoalError('CONFIG_INVALID', `--agent-key-from ${file}: cannot be read (${errorText(cause)})`, { cause })
  }
  try {
    return parseFleetKeys(text)
  } catch (cause) {
    throw new ShoalError('CONFIG_INVALID', `--agent-key-from ${file}: ${errorText(cause)}`, { cause })
  }
}
