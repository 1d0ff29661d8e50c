import { Command } from 'commander'
import { z } from 'zod'
import { nodeStatusSchema, pageLinkSchema } from '../admin/index.ts'
import { addressText, parseAddress, reachedHere } from '../base/address.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { durationText } from './quantity-text.ts'

const optionsSchema = adminOptionsSchema.extend({ json: z.boolean().default(false) })

const HELP = `
Examples:
  shoal page
  ssh -L 7072:127.0.0.1:7072 host-17    then "shoal page" there, and its link in the browser here

The link is good for one browser tab, which may then look for twelve hours and change nothing.
`

/** `shoal page`: a link to this host's page, with a key in it. */
export function createCommand(io: CommandIo): Command {
  return withAdminOptions(new Command('page'))
    .summary('print a link to the page of a host')
    .description('Prints a link to the page that shows a host, and from a cache its region, live in a browser.')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const options = optionsSchema.parse(raw)
      const client = await AdminClient.open(options, io)
      const { path, seconds } = await client.post('/api/v1/page/links', {}, pageLinkSchema, io.signal)
      const url = new URL(path, await address(client, options.admin ?? io.env.SHOAL_ADMIN, io.signal)).href
      io.stdout.write(options.json ? `${JSON.stringify({ url, seconds })}\n` : `${url}\n`)
      if (!options.json) io.stderr.write(`good for one use, within ${durationText(seconds)}\n`)
    })
}

/** Where a browser finds it: as the user has called it, or where the agent itself says that it listens. */
async function address(client: AdminClient, named: string | undefined, signal: AbortSignal): Promise<string> {
  if (named?.startsWith('http') === true) return named
  const { addresses } = await client.get('/api/v1/status', nodeStatusSchema, signal)
  const place = parseAddress(addresses.admin)
  return `http://${place === undefined ? addresses.admin : addressText(reachedHere(place))}`
}
