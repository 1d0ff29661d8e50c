import { Command, CommanderError } from 'commander'
import { isShoalError } from '../base/errors.ts'
import { productVersion } from '../base/version.ts'
import type { CommandIo, CreateCommand } from './command-io.ts'
import { addCompletion, COMPLETION_COMMANDS } from './completion.ts'
import { errorLines } from './error-lines.ts'
import { fitText } from './fit-text.ts'

interface Entry {
  readonly name: string
  readonly summary: string
  /** Loads the command's file, and what that needs, only when the command is asked for: others stay quick to start. */
  readonly load: () => Promise<{ readonly createCommand: CreateCommand }>
}

const ENTRIES: readonly Entry[] = [
  { name: 'agent', summary: 'run the daemon', load: () => import('./agent.ts') },
  { name: 'check', summary: 'check a configuration without starting', load: () => import('./check.ts') },
  { name: 'demo', summary: 'run a whole fleet on this machine and pull an image', load: () => import('./demo.ts') },
  { name: 'pull', summary: 'pull an image like a container runtime does', load: () => import('./pull.ts') },
  { name: 'status', summary: 'show a host: its peers, store and transfers', load: () => import('./status.ts') },
  { name: 'doctor', summary: 'say what is wrong with a host, and what to do', load: () => import('./doctor.ts') },
  { name: 'page', summary: 'print a link to the page of a host', load: () => import('./page.ts') },
  { name: 'transfers', summary: 'show what is being pulled right now', load: () => import('./transfers.ts') },
  { name: 'peers', summary: 'show the hosts that this one is linked to', load: () => import('./peers.ts') },
  { name: 'blobs', summary: 'show what is stored', load: () => import('./blobs.ts') },
  { name: 'limits', summary: 'show or change how fast a host may be', load: () => import('./limits.ts') },
  { name: 'logs', summary: 'show or change what an agent logs', load: () => import('./logs.ts') },
  {
    name: 'why',
    summary: 'show what this host, its home and the origin say about an image',
    load: () => import('./why.ts'),
  },
  { name: 'invalidate', summary: 'forget a cached tag', load: () => import('./invalidate.ts') },
  { name: 'purge', summary: 'take images from every cache and host', load: () => import('./purge.ts') },
  {
    name: 'prewarm',
    summary: 'make images present on every host before a rollout',
    load: () => import('./prewarm.ts'),
  },
  {
    name: 'wait',
    summary: 'wait until enough hosts have an image, as a gate of a rollout',
    load: () => import('./wait.ts'),
  },
  {
    name: 'plan',
    summary: 'say how long a rollout would take, and what limits it',
    load: () => import('./plan.ts'),
  },
  { name: 'pin', summary: 'keep an image on a host for a while', load: () => import('./pin.ts') },
  { name: 'unpin', summary: 'let a pinned image go', load: () => import('./unpin.ts') },
  {
    name: 'configure',
    summary: 'tell a container runtime where its mirror is, or take that back',
    load: () => import('./configure.ts'),
  },
  { name: 'fleet', summary: "make, rotate and revoke a fleet's credentials", load: () => import('./fleet.ts') },
  { name: 'verify', summary: 'compare what is stored with its digests', load: () => import('./verify.ts') },
  { name: 'fleet-key', summary: 'make the key that hosts of a fleet share', load: () => import('./fleet-key.ts') },
]

/** Of help that goes to no terminal. */
const HELP_COLUMNS = 120

const EXAMPLES = `
Examples:
  shoal demo                               see it work, on this machine alone
  shoal agent --config config/agent.yaml   run the daemon
  shoal configure docker                   have a runtime pull through it
  shoal status --watch                     look at a running one
  shoal doctor                             what is wrong with it, and what to do
  shoal <command> --help                   options and examples of a command
`

/**
 * Runs one command line. Returns the exit code: 0 done, 1 failed, 2 wrong usage or configuration. Errors have been
 * written to `io.stderr`.
 */
export async function runProgram(args: readonly string[], io: CommandIo): Promise<0 | 1 | 2> {
  let exitCode: 0 | 1 | 2 = 0
  const setExitCode = (code: 0 | 1 | 2): void => {
    exitCode = code
  }
  using _alive = keptAlive()
  try {
    const program = await buildProgram(args, { ...io, setExitCode })
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has written its own errors, and help is no error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    for (const line of errorLines(error)) io.stderr.write(`shoal: ${line}\n`)
    return isUsageError(error) ? 2 : 1
  }
}

/** The clock's timers and pending promises keep no process alive; a command under way does. */
function keptAlive(): Disposable {
  const timer = setInterval(() => {}, 2 ** 30)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** The command line with every command's options and arguments loaded: for man pages and completion. */
export async function loadProgram(io: CommandIo): Promise<Command> {
  return addCommands(emptyProgram(io), io, () => true)
}

async function buildProgram(args: readonly string[], io: CommandIo): Promise<Command> {
  const [first, second] = args.filter((arg) => !arg.startsWith('-'))
  const wanted = first === 'help' ? second : first
  const completes = wanted !== undefined && COMPLETION_COMMANDS.has(wanted)
  const program = await addCommands(emptyProgram(io), io, (name) => completes || name === wanted)
  return addCompletion(program)
}

function emptyProgram(io: CommandIo): Command {
  return new Command('shoal')
    .description('Pulls container images as one swarm: a registry mirror on every host of a fleet.')
    .version(productVersion(), '-V, --version')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(fitText(text, io.stdout.columns)),
      getOutHelpWidth: () => io.stdout.columns ?? HELP_COLUMNS,
      writeErr: (text) => void io.stderr.write(text),
      outputError: (text, write) => write(`shoal: ${oneLine(text)}; see --help\n`),
    })
    .addHelpText('after', EXAMPLES)
}

/** Adds every command; those that are not `isWanted` by their name and summary only, which is quick. */
async function addCommands(program: Command, io: CommandIo, isWanted: (name: string) => boolean): Promise<Command> {
  for (const { name, summary, load } of ENTRIES) {
    const command = isWanted(name) ? (await load()).createCommand(io) : new Command(name).summary(summary)
    program.addCommand(inherit(command, program))
  }
  return program
}

/** Settings go down to the last subcommand: how errors are written, and that none ends the process. */
function inherit(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent)
  for (const sub of command.commands) inherit(sub, command)
  return command
}

function oneLine(text: string): string {
  return text
    .replace(/^error: /, '')
    .trim()
    .replaceAll('\n', ' ')
}

function isUsageError(error: unknown): boolean {
  return isShoalError(
    error,
    'CONFIG_INVALID',
    'ORDER_REQUIRED',
    'PREWARM_INVALID',
    'REFERENCE_INVALID',
    'NAME_INVALID',
    'DIGEST_INVALID',
  )
}
