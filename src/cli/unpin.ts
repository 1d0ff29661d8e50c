import { Command } from 'commander'
import { z } from 'zod'
import { unpinnedSchema } from '../admin/index.ts'
import { ShoalError } from '../base/errors.ts'
import { parseReference } from '../oci/reference.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'

const optionsSchema = adminOptionsSchema.extend({ json: z.boolean().default(false) })

const HELP = `
Examples:
  shoal unpin registry.corp/team/app:v2

The reference is the one that was pinned, as "shoal pin --list" shows it: by an operator, by prewarm jobs, or by both.
Layers that another pinned image has stay.
`

/** `shoal unpin REF`: eviction may take a pinned image again. */
export function createCommand(io: CommandIo): Command {
  return withAdminOptions(new Command('unpin'))
    .summary('let a pinned image go')
    .description('Takes away the pin of an image on one host. Nothing is deleted: it may be evicted like any other.')
    .argument('<reference>', '[registry/]repository[:tag][@digest]')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(async (reference: string, raw: unknown) => {
      const options = optionsSchema.parse(raw)
      parseReference(reference, 'docker.io')
      const client = await AdminClient.open(options, io)
      const query = new URLSearchParams({ reference })
      const done = await client.delete(`/api/v1/pins?${query}`, unpinnedSchema, io.signal)
      if (options.json) io.stdout.write(`${JSON.stringify(done)}\n`)
      else if (done.unpinned) io.stdout.write(`${done.reference}: no longer pinned\n`)
      if (done.unpinned) return
      throw new ShoalError('UNAVAILABLE', `${reference} is not pinned; "shoal pin --list" shows what is`)
    })
}
