import { hostname } from 'node:os'
import { Command } from 'commander'
import { z } from 'zod'
import { systemClock } from '../base/clock.ts'
import type { CertifiedRole } from '../trust/index.ts'
import { isFleetName, issueCertificate, readCertificate, roleText } from '../trust/index.ts'
import type { CommandIo } from './command-io.ts'
import { daysSchema, openAuthority, parseOptions, tell, usage } from './fleet-files.ts'
import { createSecretFile } from './secret-file.ts'

const CACHE_DAYS = '90'
const OPERATOR_DAYS = '365'
const MAX_NAME = 64

const commonSchema = z.object({
  authority: z.string(),
  out: z.string(),
  days: daysSchema,
  name: z
    .string()
    .min(1)
    .max(MAX_NAME, { error: `--name is longer than ${MAX_NAME}` })
    .optional(),
  fleet: z.string().optional(),
  region: z.string().optional(),
  json: z.boolean().default(false),
})
type Options = z.infer<typeof commonSchema>

export function certifyCommand(io: CommandIo): Command {
  return new Command('certify')
    .description('Makes a credential: a new key, and a certificate for it, in one file.')
    .addCommand(
      withCommonOptions(new Command('cache'), CACHE_DAYS)
        .description('For a cache of one region. Name the file in fleet.credential of that host.')
        .requiredOption('--region <name>', 'the region it may be a cache of (tier.region)')
        .option('--name <host>', 'whose it is, for people (default: the region)')
        .action((raw: unknown) => certify(io, raw, ({ region = '' }, fleet) => ({ role: 'cache', fleet, region }))),
    )
    .addCommand(
      withCommonOptions(new Command('operator'), OPERATOR_DAYS)
        .description('For a person or a pipeline that acts on the fleet. Give the file to commands as --credential.')
        .requiredOption('--name <who>', 'whose it is: it stands in the logs of what was done with it')
        .action((raw: unknown) => certify(io, raw, (_options, fleet) => ({ role: 'operator', fleet }))),
    )
}

function withCommonOptions(command: Command, days: string): Command {
  return command
    .option('--authority <file>', 'the authority.pem that shoal fleet init has made', 'authority.pem')
    .requiredOption('--out <file>', 'the file to create')
    .option('--days <n>', 'how long it lasts', days)
    .option('--fleet <name>', "the fleet's name (default: the authority's)")
    .option('--json', 'print one JSON object')
}

async function certify(
  io: CommandIo,
  raw: unknown,
  roleOf: (options: Options, fleet: string) => CertifiedRole,
): Promise<void> {
  const options = parseOptions(commonSchema, raw)
  const authority = await openAuthority(options.authority)
  const role = roleOf(options, options.fleet ?? authority.fleet)
  for (const name of [role.fleet, ...(role.role === 'cache' ? [role.region] : [])]) {
    if (!isFleetName(name)) throw usage(`"${name}" is no name; allowed: letters, digits, ".", "_" and "-", at most 63`)
  }
  const name = options.name ?? (role.role === 'cache' ? role.region : hostname())
  const issued = await issueCertificate(authority, { role, name, days: options.days }, systemClock.wall())
  await createSecretFile('--out', options.out, issued.certificatePem + issued.keyPem)
  const { serial, notAfterMs } = readCertificate(issued.certificatePem)
  const ends = new Date(notAfterMs).toISOString()
  const object = { file: options.out, ...role, name, serial, notAfter: ends }
  tell(io, options.json, object, `${options.out}: ${roleText(role)} (${name}), until ${ends}; serial ${serial}`)
}
