import { tmpdir } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { parseSizeBytes } from '../../src/base/quantity.ts'
import { wholeNumber } from '../support/whole-number.ts'
import type { ChannelKind } from './tasks.ts'
import { CHANNEL_KINDS } from './tasks.ts'

export const PARTS = ['agent', 'piece-channel', 'micro'] as const
export type Part = (typeof PARTS)[number]

/** What a run of the benchmark does. */
export interface HostBenchOptions {
  readonly sizeBytes: number
  readonly runs: number
  readonly channels: readonly ChannelKind[]
  readonly parts: readonly Part[]
  /** Stores and files lie below it. */
  readonly directory: string
  readonly json: string | undefined
}

const MIN_SIZE_BYTES = 16 * 1024 * 1024

const optionsSchema = z.object({
  size: z.number(),
  runs: z.number(),
  channel: z.array(z.enum(CHANNEL_KINDS)),
  part: z.array(z.enum(PARTS)),
  directory: z.string(),
  json: z.string().optional(),
})

const HELP = `
Real processes on loopback: an S3 origin, a cache that has the image, one agent with an empty store, a client that pulls
through the agent's mirror and throws the bytes away. Counted is the agent's CPU. The floor is what no agent can go below,
measured in the same run, each part alone in processes of its own: receiving over one TLS 1.3 connection, SHA-256 once,
writing a new file on the same file system, reading it back and sending it by HTTP. Floor and agent both write into memory
that was in use a moment before, as on a host whose memory is full. Runs during which something else used the machine are
declared invalid.

Parts (--part a,b or all):
  agent          the agent and the floor
  piece-channel  a link between two swarms alone, no store and no mirror
  micro          codec, bitfields, choice of pieces, store

Examples:
  npm run bench:host
  npm run bench:host -- --runs 5 --json bench/results/host.json
  npm run bench:host -- --size 256MiB --channel tls --part agent
`

/** The command line of the benchmark; `run` gets what it says. */
export function hostCommand(run: (options: HostBenchOptions) => Promise<void>): Command {
  return new Command('bench:host')
    .description("One agent's cost, against the least it could be.")
    .option('--size <size>', 'bytes of the image', size, parseSizeBytes('1GiB'))
    .option('--runs <count>', 'times each', wholeNumber(1, 100), 3)
    .option('--channel <names>', 'how pieces travel: tls, stream or all', names(CHANNEL_KINDS), ['tls'])
    .option('--part <names>', 'what is measured', names(PARTS), [...PARTS])
    .option('--directory <path>', 'where stores and files go', tmpdir())
    .option('--json <file>', 'write the result there too')
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const { size: sizeBytes, channel, part: parts, json, ...rest } = optionsSchema.parse(raw)
      // the first is the one the result is about
      const channels = CHANNEL_KINDS.filter((kind) => channel.includes(kind))
      await run({ ...rest, sizeBytes, channels, parts, json })
    })
}

function size(text: string): number {
  const bytes = parseSizeBytes(text)
  if (bytes !== undefined && bytes >= MIN_SIZE_BYTES) return bytes
  throw new InvalidArgumentError('must be a size such as 1GiB, at least 16MiB')
}

function names<T extends string>(all: readonly T[]): (text: string) => T[] {
  return (text) => {
    if (text === 'all') return [...all]
    return text.split(',').map((name) => {
      const known = all.find((one) => one === name)
      if (known === undefined) throw new InvalidArgumentError(`"${name}" is none of: all, ${all.join(', ')}`)
      return known
    })
  }
}
