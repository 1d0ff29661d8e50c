import { Command } from 'commander'
import { z } from 'zod'
import { transfersSchema } from '../admin/index.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { transfersText } from './transfers-text.ts'
import { watch } from './watch.ts'

const optionsSchema = adminOptionsSchema.extend({ watch: z.boolean().default(false), json: z.boolean().default(false) })

const HELP = `
Examples:
  shoal transfers
  shoal transfers --watch
  shoal transfers --json
`

/** `shoal transfers`: what is being pulled right now. */
export function createCommand(io: CommandIo): Command {
  return withAdminOptions(new Command('transfers'))
    .summary('show what is being pulled right now')
    .description(
      'Shows every running transfer: how far it is, how fast, how long still, and where its bytes come from.',
    )
    .option('--watch', 'go on showing them, once a second, until interrupted')
    .option('--json', 'print JSON; with --watch one array per line')
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const options = optionsSchema.parse(raw)
      const client = await AdminClient.open(options, io)
      const show = async (): Promise<string> => {
        const { transfers } = await client.get('/api/v1/transfers', transfersSchema, io.signal)
        return options.json ? JSON.stringify(transfers) : transfersText(transfers)
      }
      if (options.watch) await watch(io, show, { redraw: !options.json })
      else io.stdout.write(`${await show()}\n`)
    })
}
