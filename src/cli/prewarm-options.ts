import type { Command } from 'commander'
import { ShoalError } from '../base/errors.ts'
import { collect } from './repeatable.ts'

/** Options whose text goes into a request as it is, by the request's key. */
const EDITABLE = {
  maxHosts: ['--max-hosts <n>', 'hosts at work at the same time; at least one for each region'],
  rate: ['--rate <rate>', 'bytes per second of each host, such as 50MiB'],
  fleetRate: ['--fleet-rate <rate>', 'bytes per second of all hosts together'],
  originRate: ['--origin-rate <rate>', 'bytes per second from the origins'],
  deadline: ['--deadline <time>', 'end the job this long after its start, as it stands; 0 = never'],
  quorum: ['--quorum <percent>', 'the part of the hosts that must be ready (default: 100%)'],
  failureBudget: [
    '--failure-budget <amount>',
    'hosts that may have failed when a wave ends (default: 5% of those begun)',
  ],
  pin: ['--pin <time>', "keep the images from eviction this long after the job's start; 0 = not at all"],
  join: ['--join <time>', "take in hosts that join the fleet until this long after the job's start"],
  priority: ['--priority <n>', 'of several jobs hosts do those of the highest first: -100 to 100 (default: 0)'],
} as const
const WAVES = ['--waves <list>', 'hosts that may have begun, wave by wave, such as 1,10%,100%'] as const

const SPEC = {
  regions: ['--region <name>', 'only hosts of this region; may be repeated'],
  select: ['--select <label=value>', 'only hosts with this label; may be repeated, all must fit'],
  platforms: ['--platform <os/arch>', 'of an index; may be repeated, "all" takes every one'],
} as const
const LOAD = [
  '--load <runtime>',
  'have docker or containerd of each host pull it, too, so that it is unpacked',
] as const
const HOSTS = ['--hosts <amount>', 'only so many of them: 20 or 10%'] as const

/** The option that a key of a request comes from. */
export function optionOf([key = '']: readonly string[]): string {
  if (key === 'images') return 'image'
  const all = new Map<string, readonly string[]>(
    Object.entries({ ...EDITABLE, ...SPEC, waves: WAVES, hosts: HOSTS, load: LOAD }),
  )
  return all.get(key)?.[0]?.split(' ')[0] ?? key
}

export function addEditOptions(command: Command): Command {
  command.option(...WAVES)
  for (const [flags, description] of Object.values(EDITABLE)) command.option(flags, description)
  return command
}

export function addSpecOptions(command: Command): Command {
  for (const [flags, description] of Object.values(SPEC)) command.option(flags, description, collect)
  command.option(...HOSTS).option(...LOAD)
  return addEditOptions(command)
}

/** The changes that were given. */
export function editRequest(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { waves } = options
  const plain = Object.keys(EDITABLE).map((key): [string, unknown] => [key, options[key]])
  return given([...plain, ['waves', typeof waves === 'string' ? waves.split(',') : undefined]])
}

/** What the command line asks for, as the API takes it. */
export function specRequest(
  images: readonly string[],
  options: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  if (images.length === 0) throw new ShoalError('PREWARM_INVALID', 'name at least one image; see --help')
  const { region, select, hosts, platform, load } = options
  const labels = Array.isArray(select) ? selectors(select) : undefined
  const rest = { images, regions: region, select: labels, hosts, platforms: platform, load }
  return { ...given(Object.entries(rest)), ...editRequest(options) }
}

function given(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

function selectors(texts: readonly unknown[]): Record<string, string> {
  const pairs = texts.map((text): [string, string] => {
    const [label, ...value] = String(text).split('=')
    if (label === undefined || label === '' || value.length === 0) {
      throw new ShoalError('PREWARM_INVALID', `--select ${String(text)}: not label=value`)
    }
    return [label, value.join('=')]
  })
  const twice = pairs.find(([label, value]) => pairs.some((other) => other[0] === label && other[1] !== value))
  if (twice !== undefined) throw new ShoalError('PREWARM_INVALID', `--select ${twice[0]}: no host has two values of it`)
  return Object.fromEntries(pairs)
}
