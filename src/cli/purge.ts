import { Command } from 'commander'
import { z } from 'zod'
import { sleep } from '../base/abort.ts'
import { systemClock } from '../base/clock.ts'
import { isShoalError, ShoalError } from '../base/errors.ts'
import { parseDurationMs } from '../base/quantity.ts'
import { DOCKER_HUB, parseReference } from '../oci/reference.ts'
import { signOrder } from '../orders/index.ts'
import type { PurgeSpec, PurgeView } from '../purge/index.ts'
import { isPurgeId, newPurgeId, PURGE_ORDER, parsePurge, purgeViewSchema } from '../purge/index.ts'
import { orderJson } from '../trust/index.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { completeReferences } from './complete-reference.ts'
import { credentialSchema, openCredential, signed, withCredential } from './credential.ts'
import { writeText } from './fit-text.ts'
import { listCommand } from './list-command.ts'
import { refuseNearCommand } from './near-command.ts'
import { purgeProgress, purgesText, purgeText } from './purge-text.ts'

const API = '/api/v1/purge'
const POLL_MS = 500

const flag = z.boolean().default(false)
const optionsSchema = adminOptionsSchema.extend({
  ...credentialSchema.shape,
  repository: flag,
  dryRun: flag,
  timeout: z.string(),
  json: flag,
})
const showSchema = adminOptionsSchema.extend({ json: flag })
const purgesSchema = z.object({ purges: z.array(purgeViewSchema) })

type Options = z.infer<typeof optionsSchema>

const HELP = `
Examples:
  shoal purge registry.corp/team/app:v2 --dry-run
  shoal purge registry.corp/team/app:v2 --credential ~/.shoal/operator.pem
  shoal purge registry.corp/team/app@sha256:DIGEST
  shoal purge registry.corp/team/app --repository
  shoal purge list
  shoal purge show p-ID

Delete the image at the registry first: a purge forgets, and the next pull asks the registry again. What another tag, another
repository or a pin still needs stays, and a pull that is under way goes on to its end. Hosts that are away do it when they come
back, within 30 days. Exits 0 when every host that is known has done it, 1 when one has not after --timeout.
A purge acts on the whole fleet: that needs an operator's credential, or is done on a cache.
`

/** `shoal purge REF...`: images leave every cache and host. */
export function createCommand(io: CommandIo): Command {
  const command = withCredential(withAdminOptions(new Command('purge')))
    // so that what follows a subcommand is the subcommand's
    .enablePositionalOptions()
    .summary('take images from every cache and host')
    .description('Takes images that were deleted or replaced at their registry from every cache and host of the fleet.')
    .argument('[references...]', '[registry/]repository:tag, or repository@digest')
    .option('--repository', 'the references are of whole repositories: everything in them')
    .option('--dry-run', 'only count what would go')
    .option('--timeout <time>', 'wait this long for the hosts; 0 does not wait', '60s')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action((references: string[], raw: unknown) => {
      const commands = command.commands.map((one) => one.name())
      refuseNearCommand(references[0], commands, 'shoal purge')
      return run(io, references, optionsSchema.parse(raw))
    })
  command.addCommand(
    listCommand(io, {
      name: 'list',
      summary: 'show the purges that still hold, the newest first',
      description: 'Shows what was purged within the last 30 days, and how many hosts have done it.',
      examples: ['shoal purge list'],
      read: async (client, signal) => (await client.get(API, purgesSchema, signal)).purges,
      text: purgesText,
    }),
  )
  command.addCommand(showCommand(io))
  return command
}

async function run(io: CommandIo, references: readonly string[], options: Options): Promise<void> {
  const { repository, dryRun, json } = options
  const what = { repositories: repository, dryRun }
  const waitMs = options.timeout === '0' ? 0 : parseDurationMs(options.timeout)
  if (waitMs === undefined) throw new ShoalError('CONFIG_INVALID', '--timeout: not a length of time such as 60s')
  // what is wrong by itself is told without an agent
  parsePurge(references, what, (text) => parseReference(text, DOCKER_HUB))
  const client = await AdminClient.open(options, io)
  const signer = await openCredential(options, io)
  let body: object = { references, repository, dryRun }
  if (signer !== undefined) {
    const now = systemClock.wall()
    const purge = await completed(client, references, what, io.signal)
    body = {
      order: orderJson(
        signed(signOrder(signer, PURGE_ORDER, { id: newPurgeId(now), content: purge, issuedEpochMs: now })),
      ),
    }
  }
  const begun = await client.post(API, body, purgeViewSchema, io.signal)
  const end = await followed(client, begun, { untilMs: systemClock.now() + waitMs, json }, io)
  if (json) io.stdout.write(`${JSON.stringify(end)}\n`)
  else writeText(io, purgeText(end))
  if (!end.complete && waitMs > 0) io.setExitCode(1)
}

/** With the registries that bare names stand for: nobody may complete later what is signed. */
async function completed(
  client: AdminClient,
  references: readonly string[],
  what: { readonly repositories: boolean; readonly dryRun: boolean },
  signal: AbortSignal,
): Promise<PurgeSpec> {
  const whole = new Map<string, string>()
  for (const text of references) whole.set(text, (await completeReferences(client, [text], signal))[0] ?? text)
  return parsePurge(references, what, (text) => parseReference(whole.get(text) ?? text, DOCKER_HUB))
}

/** Shows a purge until every host has done it, or until it is given up. */
async function followed(
  client: AdminClient,
  begun: PurgeView,
  { untilMs, json }: { readonly untilMs: number; readonly json: boolean },
  io: CommandIo,
): Promise<PurgeView> {
  let view = begun
  let said = ''
  while (!view.complete && systemClock.now() < untilMs) {
    const text = purgeProgress(view)
    if (text !== said && !json) io.stderr.write(`${text}\n`)
    said = text
    await sleep(systemClock, POLL_MS, io.signal)
    try {
      view = await client.get(`${API}/${view.id}`, purgeViewSchema, io.signal)
    } catch (error) {
      io.signal.throwIfAborted()
      // caches may restart meanwhile
      if (!isShoalError(error, 'UNAVAILABLE')) throw error
    }
  }
  return view
}

function showCommand(io: CommandIo): Command {
  return withAdminOptions(new Command('show'))
    .summary('show one purge, and the hosts that have not done it')
    .argument('<id>', 'as "shoal purge list" shows it')
    .option('--json', 'print JSON')
    .action(async (id: string, raw: unknown) => {
      const options = showSchema.parse(raw)
      if (!isPurgeId(id)) throw new ShoalError('CONFIG_INVALID', `${id} is no id of a purge; see "shoal purge list"`)
      const client = await AdminClient.open(options, io)
      const view = await client.get(`${API}/${id}`, purgeViewSchema, io.signal)
      if (options.json) io.stdout.write(`${JSON.stringify(view)}\n`)
      else writeText(io, purgeText(view))
    })
}
