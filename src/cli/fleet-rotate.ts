import { Command } from 'commander'
import { z } from 'zod'
import { errorText } from '../base/errors.ts'
import type { FleetKey } from '../trust/index.ts'
import { formatFleetKey, generateFleetKey, generateMemberKey, parseFleetKeys } from '../trust/index.ts'
import type { CommandIo } from './command-io.ts'
import { daysSchema, openAuthority, parseOptions, readText, tell, usage } from './fleet-files.ts'
import { writeAuthority } from './fleet-init.ts'
import { createSecretFile } from './secret-file.ts'

const STEPS = ['add', 'promote', 'drop'] as const
type Step = (typeof STEPS)[number]

const NEXT: Readonly<Record<Step, string>> = {
  add: 'put it on every host (of a cache key, the agent keys made from it on the others), then take the step "promote"',
  promote: 'put it on every host, then take the step "drop"',
  drop: 'put it on every host: the old key is worth nothing where that is done',
}

const secretSchema = z.object({
  step: z.enum(STEPS, { error: `--step is one of ${STEPS.join(', ')}` }),
  out: z.string(),
  json: z.boolean().default(false),
})
const authoritySchema = z.object({ authority: z.string(), days: daysSchema, json: z.boolean().default(false) })

export function rotateCommand(io: CommandIo): Command {
  return new Command('rotate')
    .description('Replaces what all hosts share, while pulls go on.')
    .addCommand(
      new Command('secret')
        .description(
          "The members' key, in three steps, each on every host before the next: add the new one behind the old, make it the first, drop the old.",
        )
        .argument('<file>', 'the key file as hosts have it now (the cache form, where there is one)')
        .requiredOption('--step <step>', 'add, promote or drop')
        .requiredOption('--out <file>', 'the file to create')
        .option('--json', 'print one JSON object')
        .action((file: string, raw: unknown) => rotateSecret(io, file, raw)),
    )
    .addCommand(
      new Command('authority')
        .description('A new authority for the same fleet, in a new directory.')
        .argument('<directory>', 'made; must not hold an authority yet')
        .option('--authority <file>', 'the authority.pem of the old one', 'authority.pem')
        .option('--days <n>', 'how long the new one lasts', '3650')
        .option('--json', 'print one JSON object')
        .action((directory: string, raw: unknown) => rotateAuthority(io, directory, raw)),
    )
}

async function rotateSecret(io: CommandIo, file: string, raw: unknown): Promise<void> {
  const { step, out, json } = parseOptions(secretSchema, raw)
  let keys: FleetKey[]
  try {
    keys = parseFleetKeys(await readText('rotate', file))
  } catch (cause) {
    throw usage(`${file}: ${errorText(cause)}`)
  }
  const next = rotated(file, keys, step)
  await createSecretFile('--out', out, next.map((key) => `${formatFleetKey(key)}\n`).join(''))
  tell(io, json, { step, file: out, keys: next.length }, `${out}: ${NEXT[step]}`)
}

function rotated(file: string, keys: readonly FleetKey[], step: Step): FleetKey[] {
  const [first, second, ...more] = keys as [FleetKey, ...FleetKey[]]
  if (first.kind === 'agent')
    throw usage(`${file}: is an agent key; rotate the cache key, and make agent keys from what comes out`)
  if (step === 'add') {
    if (second !== undefined) throw usage(`${file}: a change is under way already: it holds ${keys.length} keys`)
    return [first, first.kind === 'member' ? generateMemberKey() : generateFleetKey()]
  }
  if (second === undefined || more.length > 0)
    throw usage(`${file}: holds ${keys.length} keys, and "${step}" needs two`)
  return step === 'promote' ? [second, first] : [first]
}

async function rotateAuthority(io: CommandIo, directory: string, raw: unknown): Promise<void> {
  const options = parseOptions(authoritySchema, raw)
  const { fleet } = await openAuthority(options.authority)
  const files = await writeAuthority(directory, fleet, options.days)
  const text = [
    `${files.key}: the new authority's key; keep it aside, on no host`,
    `${files.certificate}: add it to fleet.authorities of every host, beside the old one`,
    `then: certify every cache and operator by it, and replace their credentials`,
    `last: take the old certificate out of fleet.authorities of every host`,
  ].join('\n')
  tell(io, options.json, { fleet, ...files }, text)
}
