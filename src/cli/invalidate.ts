import { Command } from 'commander'
import { z } from 'zod'
import { invalidatedSchema } from '../admin/index.ts'
import { parseReference } from '../oci/reference.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'

const optionsSchema = adminOptionsSchema.extend({ json: z.boolean().default(false) })

const HELP = `
Examples:
  shoal invalidate docker.io/library/nginx:latest
  shoal invalidate registry.corp:5000/team/app:v2 --json
`

/** `shoal invalidate REF`: the next pull of a tag asks the origin. */
export function createCommand(io: CommandIo): Command {
  return withAdminOptions(new Command('invalidate'))
    .summary('forget a cached tag')
    .description('Forgets which digest a tag has, on this host and in the tiers above: the next pull asks the origin.')
    .argument('<reference>', '[registry/]repository[:tag]')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(async (reference: string, raw: unknown) => {
      const options = optionsSchema.parse(raw)
      // Only its grammar matters here: the agent knows which upstreams there are.
      parseReference(reference, 'docker.io')
      const client = await AdminClient.open(options)
      const done = await client.post('/api/v1/invalidate', { reference }, invalidatedSchema, io.signal)
      const was = done.digest === null ? 'was not cached' : `was ${done.digest}`
      io.stdout.write(options.json ? `${JSON.stringify(done)}\n` : `${done.reference}: forgotten, ${was}\n`)
    })
}
