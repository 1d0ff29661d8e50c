import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { Command } from 'commander'
import { z } from 'zod'
import { systemClock } from '../base/clock.ts'
import { errorText } from '../base/errors.ts'
import { formatFleetKey, generateMemberKey, isFleetName, newAuthority } from '../trust/index.ts'
import type { CommandIo } from './command-io.ts'
import { daysSchema, parseOptions, tell, usage } from './fleet-files.ts'
import { createSecretFile } from './secret-file.ts'

/** Ten years: it is replaced by hand, everywhere, and hosts say when it comes to its end. */
const AUTHORITY_DAYS = '3650'

const optionsSchema = z.object({
  name: z.string().optional(),
  days: daysSchema,
  json: z.boolean().default(false),
})

export function initCommand(io: CommandIo): Command {
  return new Command('init')
    .description("Makes a fleet's authority and its members' key, in a new directory to be kept aside.")
    .argument('<directory>', 'made; must not hold an authority yet')
    .option('--name <fleet>', "the fleet's name, in every certificate (default: the directory's)")
    .option('--days <n>', 'how long the authority lasts', AUTHORITY_DAYS)
    .option('--json', 'print one JSON object')
    .action(async (directory: string, raw: unknown) => {
      const { name, days, json } = parseOptions(optionsSchema, raw)
      const fleet = fleetName(name ?? basename(resolve(directory)))
      const files = await writeAuthority(directory, fleet, days)
      const member = join(directory, 'member.key')
      await createSecretFile('init', member, `${formatFleetKey(generateMemberKey())}\n`)
      const text = [
        `${files.key}: the authority's key; keep it aside, on no host`,
        `${files.certificate}: its certificate; name it in fleet.authorities of every host`,
        `${member}: the members' key; name it in fleet.keyFile of every host`,
        `next: shoal fleet certify cache --authority ${files.key} --region REGION --out cache.pem`,
      ].join('\n')
      tell(io, json, { fleet, ...files, member }, text)
    })
}

interface AuthorityOnDisk {
  /** Certificate and key. */
  readonly key: string
  /** The certificate alone. */
  readonly certificate: string
}

/** Makes a new authority's files. Throws `CONFIG_INVALID` when they are there already. */
export async function writeAuthority(directory: string, fleet: string, days: number): Promise<AuthorityOnDisk> {
  const files = { key: join(directory, 'authority.pem'), certificate: join(directory, 'authority.crt') }
  const { certificatePem, keyPem } = await newAuthority(fleet, days, systemClock.wall())
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw usage(`${directory}: cannot be made (${errorText(cause)})`)
  }
  await createSecretFile('authority', files.key, certificatePem + keyPem)
  // anybody may read it: a directory beside it may be handed to whoever configures hosts
  await writeFile(files.certificate, certificatePem, { flag: 'wx', mode: 0o644 })
  return files
}

function fleetName(name: string): string {
  if (isFleetName(name)) return name
  throw usage(`--name ${name}: is no name for a fleet; allowed: letters, digits, ".", "_" and "-", at most 63`)
}
