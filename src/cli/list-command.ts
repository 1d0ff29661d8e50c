import { Command } from 'commander'
import { z } from 'zod'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { writeText } from './fit-text.ts'
import { watch } from './watch.ts'

const optionsSchema = adminOptionsSchema.extend({ watch: z.boolean().default(false), json: z.boolean().default(false) })

/** A command that shows what an agent has many of. */
interface Listing<Row> {
  readonly name: string
  readonly summary: string
  readonly description: string
  /** Lines of shell. */
  readonly examples: readonly string[]
  /** Whether rows change while one looks on, so that `--watch` is worth it. */
  readonly changes?: true
  readonly read: (client: AdminClient, signal: AbortSignal) => Promise<readonly Row[]>
  /** The rows for eyes. */
  readonly text: (rows: readonly Row[]) => string
}

/** The frame of a command that lists: its options, one request, and what is written. */
export function listCommand<Row>(io: CommandIo, listing: Listing<Row>): Command {
  const command = withAdminOptions(new Command(listing.name)).summary(listing.summary).description(listing.description)
  if (listing.changes) command.option('--watch', 'go on showing them, once a second, until interrupted')
  return command
    .option('--json', listing.changes ? 'print JSON; with --watch one array per line' : 'print a JSON array')
    .addHelpText('after', `\nExamples:\n${listing.examples.map((line) => `  ${line}\n`).join('')}`)
    .action(async (raw: unknown) => {
      const options = optionsSchema.parse(raw)
      const client = await AdminClient.open(options, io)
      const show = async (): Promise<string> => {
        const rows = await listing.read(client, io.signal)
        return options.json ? JSON.stringify(rows) : listing.text(rows)
      }
      if (options.watch) await watch(io, show, { redraw: !options.json })
      else if (options.json) io.stdout.write(`${await show()}\n`)
      else writeText(io, await show())
    })
}
