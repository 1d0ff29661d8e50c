import { Command } from 'commander'
import { z } from 'zod'
import { invalidatedSchema } from '../admin/index.ts'
import { systemClock } from '../base/clock.ts'
import { DOCKER_HUB, parseReference, referenceText } from '../oci/reference.ts'
import type { OrderSigner } from '../trust/index.ts'
import { orderInvalidate, orderJson } from '../trust/index.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { completeReferences } from './complete-reference.ts'
import { credentialSchema, openCredential, signed, withCredential } from './credential.ts'

const optionsSchema = adminOptionsSchema.extend({ ...credentialSchema.shape, json: z.boolean().default(false) })

const HELP = `
Examples:
  shoal invalidate docker.io/library/nginx:latest
  shoal invalidate registry.corp:5000/team/app:v2 --json
  shoal invalidate registry.corp:5000/team/app:v2 --credential ~/.shoal/operator.pem

The caches forget a tag for an operator's credential, or when asked on a cache itself; else this host alone does.
`

/** `shoal invalidate REF`: the next pull of a tag asks the origin. */
export function createCommand(io: CommandIo): Command {
  return withCredential(withAdminOptions(new Command('invalidate')))
    .summary('forget a cached tag')
    .description(
      'Forgets which digest a tag has, on this host and, for whoever may act on the fleet, in the tiers above.',
    )
    .argument('<reference>', '[registry/]repository[:tag]')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(async (reference: string, raw: unknown) => {
      const options = optionsSchema.parse(raw)
      // Only its grammar matters here: the agent knows which upstreams there are.
      parseReference(reference, 'docker.io')
      const client = await AdminClient.open(options, io)
      const signer = await openCredential(options, io)
      const body = signer === undefined ? { reference } : await ordered(client, signer, reference, io.signal)
      const done = await client.post('/api/v1/invalidate', body, invalidatedSchema, io.signal)
      const was = done.digest === null ? 'was not cached' : `was ${done.digest}`
      io.stdout.write(options.json ? `${JSON.stringify(done)}\n` : `${done.reference}: forgotten, ${was}\n`)
      if (!done.everywhere) io.stderr.write(`${HERE_ALONE}\n`)
    })
}

const HERE_ALONE = 'forgotten on this host alone; for the caches to forget it, give --credential FILE or ask on a cache'

async function ordered(
  client: AdminClient,
  signer: OrderSigner,
  text: string,
  signal: AbortSignal,
): Promise<{ readonly reference: string; readonly order: object }> {
  const [reference = text] = await completeReferences(client, [text], signal)
  // what is signed is the reference as people read it, which is the same on every host
  const subject = referenceText(parseReference(reference, DOCKER_HUB))
  return { reference, order: orderJson(signed(orderInvalidate(signer, subject, systemClock.wall()))) }
}
