import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { parseSizeBytes } from '../base/quantity.ts'
import type { ImageSpec, PushedImage } from '../demo/index.ts'
import { Fleet, runBurst } from '../demo/index.ts'
import type { CommandIo } from './command-io.ts'
import { demoDisplay, demoTable } from './demo-display.ts'

const MAX_HOSTS = 64
const MAX_LAYERS = 100
const BUSYBOX = '/usr/bin/busybox'
const IMAGE = 'library/demo:1'

const HELP = `
Starts an S3-compatible origin, one cache and the agents; makes an image, puts it into the bucket the way a registry
does, and pulls it through every agent's mirror at the same moment. Every digest is checked on every host. The table
tells where the bytes came from and what the origin had to send. Everything is ended and removed afterwards.

Examples:
  shoal demo
  shoal demo --hosts 12 --size 64MiB --json
  shoal demo --keep        then point Docker, curl or shoal status at it
`

const optionsSchema = z.object({
  hosts: z.string(),
  size: z.string(),
  layers: z.string(),
  keep: z.boolean().default(false),
  json: z.boolean().default(false),
})

interface DemoSettings {
  readonly hosts: number
  readonly sizeBytes: number
  readonly layers: number
  readonly keep: boolean
  readonly json: boolean
}

/** `shoal demo`: a whole fleet on this machine, one image pulled by all hosts at once, and what that cost. */
export function createCommand(io: CommandIo): Command {
  return new Command('demo')
    .summary('run a whole fleet on this machine and pull an image')
    .description(
      'Runs a whole fleet on this machine, as separate processes on loopback, and pulls one image by all hosts at once.',
    )
    .option('--hosts <count>', `agents to run, at most ${MAX_HOSTS}`, '6')
    .option('--size <size>', 'bytes of the image, as in 256MiB', '256MiB')
    .option('--layers <count>', `layers of the image, at most ${MAX_LAYERS}`, '3')
    .option('--keep', 'leave everything running until Ctrl-C, and say what to try')
    .option('--json', 'print one JSON object at the end')
    .addHelpText('after', HELP)
    .action((raw: unknown) => run(io, settingsFrom(optionsSchema.parse(raw))))
}

async function run(io: CommandIo, settings: DemoSettings): Promise<void> {
  const { signal } = io
  using display = demoDisplay(io.stderr)
  display.stage(`starting an S3 origin, a cache and ${settings.hosts} agents, each a process of its own`)
  const regions = [{ name: 'demo', caches: 1, agents: settings.hosts }]
  await using fleet = await Fleet.start({ regions, signal })
  if (settings.keep) for (const cache of fleet.caches) display.stage(`watch it: ${await cache.pageUrl()}`)
  display.stage(`making an image of ${settings.layers} layers and putting it into the bucket as a registry would`)
  const pushed = await fleet.push(imageSpec(settings), IMAGE)
  display.stage(`pulling ${pushed.reference} through every agent's mirror at once`)
  const names = fleet.agents.map(({ name }) => name)
  display.begin(names, pushed.image.sizeBytes)
  const { outcome, rows } = await runBurst(fleet, pushed, display, signal)
  display[Symbol.dispose]()
  io.stdout.write(settings.json ? `${JSON.stringify(outcome)}\n` : demoTable(outcome, rows))
  if (!outcome.verified) io.setExitCode(1)
  if (!settings.keep) return
  io.stderr.write(thingsToTry(fleet, pushed))
  await untilAborted(signal)
  io.stderr.write('stopping\n')
}

function imageSpec({ sizeBytes, layers, hosts }: DemoSettings): Partial<ImageSpec> {
  const args = ['echo', `hello from an image that ${hosts} hosts pulled as one`]
  const program = existsSync(BUSYBOX) ? { file: BUSYBOX, name: 'busybox', args } : undefined
  return { sizeBytes, layerCount: layers, program }
}

function settingsFrom({ hosts, size, layers, keep, json }: z.infer<typeof optionsSchema>): DemoSettings {
  const sizeBytes = parseSizeBytes(size)
  if (sizeBytes === undefined || sizeBytes === 0) {
    throw new ShoalError('CONFIG_INVALID', `--size: "${size}" is no size; write it as in 256MiB`)
  }
  return {
    hosts: countOption('--hosts', hosts, MAX_HOSTS),
    layers: countOption('--layers', layers, MAX_LAYERS),
    sizeBytes,
    keep,
    json,
  }
}

function countOption(name: string, text: string, max: number): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= max) return count
  throw new ShoalError('CONFIG_INVALID', `${name}: "${text}" is no whole number between 1 and ${max}`)
}

function thingsToTry({ agents: [first], caches: [cache] }: Fleet, { reference, image }: PushedImage): string {
  if (first === undefined || cache === undefined) return ''
  const [layer] = image.layers
  const path = IMAGE.replace(':', '/manifests/')
  return [
    '',
    'The fleet keeps running; Ctrl-C ends it. Try, in another terminal:',
    `  npm run shoal -- page --admin ${cache.adminUrl} --token-file ${cache.tokenFile}`,
    `  npm run shoal -- pull ${reference} --mirror ${first.mirrorUrl}`,
    `  npm run shoal -- status --admin ${first.adminUrl}`,
    `  curl -i ${first.mirrorUrl}/v2/${path}`,
    `  curl -o layer.tar ${first.mirrorUrl}/v2/library/demo/blobs/${layer?.digest}`,
    `  curl ${first.adminUrl}/metrics`,
    'Docker pulls through an agent with this in /etc/docker/daemon.json (then: systemctl reload docker):',
    `  { "registry-mirrors": ["${first.mirrorUrl}"] }`,
    `  docker run --rm ${IMAGE.replace('library/', '')}`,
    '',
  ].join('\n')
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
