import { Command } from 'commander'
import { z } from 'zod'
import type { NodeStatus, TransferStatus } from '../admin/index.ts'
import { nodeStatusSchema, transfersSchema } from '../admin/index.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { writeText } from './fit-text.ts'
import { statusText } from './status-text.ts'
import { transfersText } from './transfers-text.ts'
import { watch } from './watch.ts'

const optionsSchema = adminOptionsSchema.extend({ watch: z.boolean().default(false), json: z.boolean().default(false) })

const HELP = `
Examples:
  shoal status
  shoal status --watch
  shoal status --json | jq .store
  shoal status --admin http://10.0.0.2:7072 --token-file /etc/shoal/admin.token
`

/** `shoal status`: one host as its admin server tells it. */
export function createCommand(io: CommandIo): Command {
  return withAdminOptions(new Command('status'))
    .summary('show a host: its peers, store and transfers')
    .description('Shows a host: its servers, tier, peers, store, where its bytes came from, and running transfers.')
    .option('--watch', 'go on showing it, once a second, until interrupted')
    .option('--json', 'print JSON; with --watch one object per line')
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const options = optionsSchema.parse(raw)
      const client = await AdminClient.open(options, io)
      const show = async (): Promise<string> => {
        const seen = await ask(client, io.signal)
        return options.json ? JSON.stringify(seen) : wholeText(seen)
      }
      if (options.watch) await watch(io, show, { redraw: !options.json })
      else if (options.json) io.stdout.write(`${await show()}\n`)
      else writeText(io, await show())
    })
}

type Seen = NodeStatus & { readonly transfers: readonly TransferStatus[] }

async function ask(client: AdminClient, signal: AbortSignal): Promise<Seen> {
  const [status, { transfers }] = await Promise.all([
    client.get('/api/v1/status', nodeStatusSchema, signal),
    client.get('/api/v1/transfers', transfersSchema, signal),
  ])
  return { ...status, transfers }
}

function wholeText({ transfers, ...status }: Seen): string {
  return transfers.length === 0 ? statusText(status) : `${statusText(status)}\n\n${transfersText(transfers)}`
}
