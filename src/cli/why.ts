import { Command } from 'commander'
import { z } from 'zod'
import type { WhyPart, WhyView } from '../admin/index.ts'
import { whySchema } from '../admin/index.ts'
import { DOCKER_HUB, parseReference } from '../oci/reference.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { plainTable } from './plain-table.ts'
import { durationText } from './quantity-text.ts'

const optionsSchema = adminOptionsSchema.extend({ json: z.boolean().default(false) })

const HELP = `
The home and the origin are asked now, in this host's own name; nothing is fetched or changed. Exits 1 when a pull would not
be served.

Examples:
  shoal why registry.corp/team/app:v2
  shoal why docker.io/library/nginx:latest --json
`

/** `shoal why REF`: what there is to know about an image when a pull is not what it should be. */
export function createCommand(io: CommandIo): Command {
  return withAdminOptions(new Command('why'))
    .summary('show what this host, its home and the origin say about an image')
    .description(
      'Asks this host, the home of the image in its region and the origin about one image, and says what a pull would get.',
    )
    .argument('<reference>', '[registry/]repository[:tag][@digest]')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(async (reference: string, raw: unknown) => {
      const options = optionsSchema.parse(raw)
      // only its grammar matters here: the agent knows which upstreams there are
      parseReference(reference, DOCKER_HUB)
      const client = await AdminClient.open(options, io)
      const path = `/api/v1/why?${new URLSearchParams({ reference })}`
      const view = await client.get(path, whySchema, io.signal)
      io.stdout.write(options.json ? `${JSON.stringify(view)}\n` : `${whyText(view)}\n`)
      if (!verdict(view).ok) io.setExitCode(1)
    })
}

function whyText(view: WhyView): string {
  const { reference, upstream, here, home, origin, recent } = view
  const rows = [
    ['Image', reference],
    [
      'Upstream',
      upstream.access === null ? `none is called ${upstream.name}` : `${upstream.name} (${upstream.access})`,
    ],
    ['Here', hereText(here)],
    ...(home === null ? [] : [['Home', partText(home)]]),
    ...(origin === null ? [] : [['Origin', partText(origin)]]),
    ...(origin?.troubles ?? []).map(({ origin: label, state, remedy }) => ['', `${label} is ${state}: ${remedy}`]),
    ...recent.map((event, i) => [i === 0 ? 'Lately' : '', eventText(event)]),
    ['So', verdict(view).text],
  ]
  return plainTable(rows)
}

function hereText({ digest, ageSeconds, manifest, blobs, presentBlobs }: WhyView['here']): string {
  const age = ageSeconds === null ? '' : `, confirmed ${durationText(ageSeconds)} ago`
  const stored = manifest ? `${presentBlobs} of ${blobs} blobs stored` : 'nothing stored'
  return digest === null ? `the tag is not known; ${stored}` : `${digest}${age}; ${stored}`
}

function partText({ who, isSelf, digest, refusal, seconds }: WhyPart): string {
  if (isSelf) return `${who} asks the origin itself`
  const took = `in ${seconds.toFixed(2)} s`
  return digest === null ? `${who}: ${refusal?.reason}, ${refusal?.message} (${took})` : `${who}: ${digest} (${took})`
}

const eventSchema = z.looseObject({
  result: z.string().optional(),
  cause: z.string().optional(),
  runtime: z.string().optional(),
})

function eventText({ epochMs, kind, ...fields }: WhyView['recent'][number]): string {
  const { result, cause, runtime } = eventSchema.parse(fields)
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z ${kind}, ${runtime ?? 'unknown'}: ${result ?? cause ?? ''}`
}

/** What a pull would get now. */
export function verdict({ upstream, upstreams, here, home, origin }: WhyView): {
  readonly ok: boolean
  readonly text: string
} {
  if (upstream.access === null) {
    const text = `pulls are answered 404: add an upstream called ${upstream.name} to the configuration (there are: ${upstreams.join(', ')})`
    return { ok: false, text }
  }
  const whole = here.manifest && here.blobs > 0 && here.presentBlobs === here.blobs
  const said = origin?.digest ?? null
  if (upstream.access === 'passthrough') {
    return {
      ok: true,
      text: "what a pull gets is the registry's word about its client: nobody else's right was asked here",
    }
  }
  if (said !== null) {
    // whoever is home keeps a tag for tags.ttl
    const given = home?.digest ?? (here.fresh === true ? here.digest : said)
    if (given !== said) return { ok: true, text: `the tag has moved: until it is asked again, pulls get ${given}` }
    return { ok: true, text: whole ? 'a pull is served from this host' : 'a pull is served' }
  }
  const reason = origin?.refusal?.message ?? 'nobody has it'
  if (home?.digest != null)
    return { ok: true, text: `a pull is served what the home knows; the origin says: ${reason}` }
  if (here.digest !== null && whole && origin?.refusal?.reason === 'unavailable') {
    return { ok: true, text: `a pull is served what was known last, for tags.maxStale; the origin says: ${reason}` }
  }
  return { ok: false, text: `pulls are answered 404, and runtimes go to the registry itself: ${reason}` }
}
