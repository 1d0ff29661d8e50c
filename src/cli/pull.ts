import { Command } from 'commander'
import { z } from 'zod'
import { parsePlatform } from '../oci/platform.ts'
import type { PullResult } from '../pull/index.ts'
import { parsePullTarget, pullImage, sumFrom } from '../pull/index.ts'
import type { CommandIo } from './command-io.ts'
import type { PullDisplay } from './pull-progress.ts'
import { fromText, pullDisplay } from './pull-progress.ts'
import { sizeText } from './quantity-text.ts'

const DEFAULT_MIRROR = 'http://127.0.0.1:7070'

const HELP = `
Without --output the content is checked and dropped: a way to measure, or to fill a host's cache. A body that is cut
short is resumed; what fails says which blob and why. --json prints, per blob, where the mirror had it from (home: a
cache of this region; peer: another host).

Examples:
  shoal pull docker.io/library/alpine:3
  shoal pull registry.corp/team/app@sha256:<hex> --output ./app --platform linux/arm64
  shoal pull team/app:1 --mirror http://127.0.0.1:5000 --json
`

const optionsSchema = z.object({
  mirror: z.string(),
  output: z.string().optional(),
  platform: z.string().optional(),
  json: z.boolean().default(false),
})

/** `shoal pull`: one image through a mirror, as a container runtime would. */
export function createCommand(io: CommandIo): Command {
  return new Command('pull')
    .summary('pull an image like a container runtime does')
    .description('Pulls an image through a mirror as a container runtime does, and proves every size and digest.')
    .argument(
      '<reference>',
      '[registry/]repository[:tag][@digest]; without a registry the mirror searches its upstreams',
    )
    .option('--mirror <url>', 'the mirror to pull through', DEFAULT_MIRROR)
    .option('--output <directory>', 'write an OCI image layout; what is already there and whole is not fetched again')
    .option('--platform <platform>', 'os/architecture[/variant] to choose from an index (default: this machine)')
    .option('--json', 'print one JSON object at the end')
    .addHelpText('after', HELP)
    .action((reference: string, raw: unknown) => run(io, reference, optionsSchema.parse(raw)))
}

async function run(io: CommandIo, text: string, options: z.infer<typeof optionsSchema>): Promise<void> {
  const target = parsePullTarget(text)
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform)
  const { mirror, output, json } = options
  const result = await showing(io, json, (onProgress) =>
    pullImage({ mirror, target, platform, output, onProgress, signal: io.signal }),
  )
  io.stdout.write(json ? `${JSON.stringify(result)}\n` : summary(result))
}

/** Shows progress while `pull` runs, and has left the terminal in order when it returns. */
async function showing<T>(
  io: CommandIo,
  quiet: boolean,
  pull: (onProgress: PullDisplay['update']) => T,
): Promise<Awaited<T>> {
  using display = pullDisplay(io.stderr, quiet)
  return await pull(display.update)
}

function summary({ reference, digest, bytes, seconds, mibPerSecond, blobs }: PullResult): string {
  const sources = fromText(sumFrom(blobs.map(({ from }) => from)))
  const moved = `${sizeText(bytes)} in ${seconds.toFixed(2)} s, ${mibPerSecond.toFixed(1)} MiB/s`
  return `${reference}\n${digest}\n${moved}${sources === '' ? '' : ` (${sources})`}\n`
}
