import { resolve } from 'node:path'
import { Command } from 'commander'
import { z } from 'zod'
import type { VerifyView } from '../admin/index.ts'
import { verifyViewSchema } from '../admin/index.ts'
import { sleep } from '../base/abort.ts'
import { systemClock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { parseDigest } from '../oci/digest.ts'
import { parseReference } from '../oci/reference.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { verifyStopped } from './verify-stopped.ts'
import { progressLine, verifyText } from './verify-text.ts'

const optionsSchema = adminOptionsSchema.extend({ store: z.string().optional(), json: z.boolean().default(false) })

const POLL_MS = 500
/** What was found damaged is fetched again meanwhile: mostly a piece or two. */
const MENDING_MS = 15_000

const HELP = `
Examples:
  shoal verify                              everything this host has
  shoal verify registry.corp/team/app:v2    an image: its manifests, config and layers
  shoal verify sha256:0123...               a blob
  shoal verify --store /var/lib/shoal       of an agent that is stopped

Every byte is read and compared. What is damaged is dropped and, by a running agent, fetched again. The exit code is 1 when
something was damaged, also when it is whole again.
`

/** `shoal verify`: whether the disk still has what was written to it. */
export function createCommand(io: CommandIo): Command {
  return withAdminOptions(new Command('verify'))
    .summary('compare what is stored with its digests')
    .description(
      'Reads what a host has stored, all of it or some, and compares every byte; damage is dropped and mended.',
    )
    .argument('[what...]', 'images or digests; default: everything')
    .option('--store <directory>', 'the store of a stopped agent, instead of asking a running one')
    .option('--json', 'print one JSON object at the end')
    .addHelpText('after', HELP)
    .action(async (targets: string[], raw: unknown) => {
      const { store, json, ...options } = optionsSchema.parse(raw)
      // Only their grammar matters here: the agent knows which upstreams there are.
      for (const target of targets) if (parseDigest(target) === undefined) parseReference(target, 'docker.io')
      const say = (view: VerifyView): void => {
        if (!json && io.stdout.isTTY === true) io.stdout.write(`\r${progressLine(view)}\u001b[K`)
      }
      const view =
        store === undefined
          ? await verifyRunning(await AdminClient.open(options, io), targets, io, say)
          : await verifyStopped(resolve(store), targets, io.signal, say)
      if (!json && io.stdout.isTTY === true) io.stdout.write('\r\u001b[K')
      io.stdout.write(`${json ? JSON.stringify(view) : verifyText(view)}\n`)
      if (view.damaged.length > 0 || view.state !== 'done') io.setExitCode(1)
    })
}

async function verifyRunning(
  client: AdminClient,
  targets: readonly string[],
  io: CommandIo,
  say: (view: VerifyView) => void,
): Promise<VerifyView> {
  const ask = (): Promise<VerifyView> => client.get('/api/v1/verify', verifyViewSchema, io.signal)
  let view: VerifyView = await client.post('/api/v1/verify', { targets }, verifyViewSchema, io.signal)
  try {
    while (view.state === 'running') {
      say(view)
      await sleep(systemClock, POLL_MS, io.signal)
      view = await ask()
    }
  } catch (error) {
    if (!io.signal.aborted) throw error
    await client.delete('/api/v1/verify', verifyViewSchema, new AbortController().signal)
    throw new ShoalError('UNAVAILABLE', 'interrupted: the verification was stopped')
  }
  const until = systemClock.now() + MENDING_MS
  while (view.damaged.some(({ wholeAgain }) => !wholeAgain) && systemClock.now() < until) {
    await sleep(systemClock, POLL_MS, io.signal)
    view = await ask()
  }
  return view
}
