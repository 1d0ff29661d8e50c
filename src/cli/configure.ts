import { resolve } from 'node:path'
import { Argument, Command, Option } from 'commander'
import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { runProgram } from '../runtime/index.ts'
import type { ImageStore, PreparedSetup, RuntimeVersion, SetupRuntime } from '../setup/index.ts'
import { IMAGE_STORES, parseVersion, SETUP_RUNTIMES, Setup, versionText } from '../setup/index.ts'
import type { CommandIo } from './command-io.ts'
import type { SetupTarget } from './configure-target.ts'
import { setupTarget } from './configure-target.ts'
import type { ConfigureReport } from './configure-text.ts'
import { headText, serviceCommand, tailText } from './configure-text.ts'
import { detectRuntime } from './runtime-detection.ts'

const optionsSchema = z.object({
  config: z.string().optional(),
  registry: z.array(z.string()).default([]),
  mirror: z.string().optional(),
  runtimeVersion: z.string().optional(),
  store: z.enum(IMAGE_STORES).optional(),
  root: z.string().default('/'),
  dryRun: z.boolean().default(false),
  undo: z.boolean().default(false),
  force: z.boolean().default(false),
  restart: z.boolean().default(false),
  json: z.boolean().default(false),
})
type Options = z.infer<typeof optionsSchema>

const RESTART_MS = 120_000

const HELP = `
Examples:
  sudo shoal configure docker --dry-run                       what it would write
  sudo shoal configure docker --restart                       write it, and have Docker read it
  sudo shoal configure containerd --registry registry.corp    for one registry, whatever the agent serves
  sudo shoal configure docker --undo                          every file byte for byte as it was
  shoal configure containerd --root /mnt/image --runtime-version 2.1 --registry registry.corp --mirror http://127.0.0.1:7070

For which registries, and where the mirror is, the agent's configuration says. Files keep their comments, order, mode and
owner; what they were is kept in /etc/shoal/configure. A file that somebody else has changed since is left alone without
--force. Nothing is restarted without --restart.
`

/** `shoal configure RUNTIME`: a runtime pulls through the agent, or no longer. */
export function createCommand(io: CommandIo): Command {
  return new Command('configure')
    .summary('tell a container runtime where its mirror is, or take that back')
    .description(
      "Writes what a container runtime's version needs to pull through this host's agent, showing what changes; --undo takes it back.",
    )
    .addArgument(new Argument('<runtime>', 'which runtime').choices(SETUP_RUNTIMES))
    .option('--registry <host>', 'a registry to mirror, "*" for all; repeat it for more', collect, [])
    .option('--mirror <url>', "the agent's mirror; default: mirror.listen of its configuration")
    .option('--config <file>', "the agent's configuration; default: SHOAL_CONFIG or /etc/shoal/agent.yaml")
    .option('--runtime-version <version>', 'of the runtime, where it is not installed or not running here')
    .addOption(new Option('--store <kind>', "Docker's image store, if not as it is found").choices(IMAGE_STORES))
    .option('--root <directory>', 'the files of another system: an image, or a host mounted in a container', '/')
    .option('--dry-run', 'show what would change, and change nothing')
    .option('--undo', 'take back what this command has written')
    .option('--force', 'also over what somebody else has changed since; a copy is kept')
    .option('--restart', 'reload or restart the runtime if that is what it takes')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(async (runtime: SetupRuntime, raw: unknown) => {
      const options = optionsSchema.parse(raw)
      await configure(runtime, { ...options, root: resolve(options.root) }, io)
    })
}

async function configure(runtime: SetupRuntime, options: Options, io: CommandIo): Promise<void> {
  const isHere = options.root === '/'
  if (options.restart && !isHere) throw usage('--restart: nothing runs in --root; leave it out')
  if (isHere && !options.dryRun && process.geteuid?.() !== 0) {
    throw new ShoalError('SETUP_REFUSED', `${runtime}'s files belong to root: run it with sudo, or add --dry-run`)
  }
  const setup = new Setup(options.root)
  const { prepared, report } = options.undo
    ? undoing(runtime, setup, options)
    : await settingUp(runtime, setup, options, io)
  // shown before anything is written: also when writing fails
  if (!options.json) io.stdout.write(`${headText(report)}${report.files.map(({ diff }) => diff).join('')}`)
  const kept = options.dryRun ? [] : setup.commit(prepared)
  const service = await serve(setup, prepared, options, io)
  const done: ConfigureReport = { ...report, kept, service }
  io.stdout.write(options.json ? `${JSON.stringify(done)}\n` : tailText(done))
}

interface Prepared {
  readonly prepared: PreparedSetup
  readonly report: ConfigureReport
}

function undoing(runtime: SetupRuntime, setup: Setup, options: Options): Prepared {
  return reported(setup.prepareUndo(runtime, options.force), options, undefined, undefined)
}

async function settingUp(runtime: SetupRuntime, setup: Setup, options: Options, io: CommandIo): Promise<Prepared> {
  const target = await setupTarget(options, io.env)
  const found = await runtimeFacts(runtime, options, io)
  const goal = { runtime, ...found, ...target }
  return reported(setup.prepare(goal, options.force), options, target, found.version)
}

/** What is said counts; what is not is looked up, but not in the files of another system: its programs are not run. */
async function runtimeFacts(
  runtime: SetupRuntime,
  options: Options,
  io: CommandIo,
): Promise<{ version: RuntimeVersion | undefined; store: ImageStore | undefined }> {
  const given = options.runtimeVersion
  const version = given === undefined ? undefined : parseVersion(given)
  if (given !== undefined && version === undefined)
    throw usage(`--runtime-version ${given}: not a version such as 29.1`)
  if (options.store !== undefined && runtime !== 'docker') throw usage(`--store: ${runtime} has one only; leave it out`)
  const isKnown = version !== undefined || options.root !== '/'
  const found = isKnown ? { version, store: undefined } : await detectRuntime(runtime, io.signal)
  return { version: found.version, store: options.store ?? found.store }
}

function reported(
  prepared: PreparedSetup,
  { root, dryRun, undo }: Options,
  target: SetupTarget | undefined,
  version: RuntimeVersion | undefined,
): Prepared {
  const report: ConfigureReport = {
    runtime: prepared.runtime,
    undo,
    version: version === undefined ? null : versionText(version),
    store: prepared.store ?? null,
    mirror: target?.mirror ?? null,
    registries: target?.registries ?? [],
    root,
    dryRun,
    files: prepared.files,
    kept: [],
    notes: prepared.notes,
    service: null,
  }
  return { prepared, report }
}

/** What the runtime's service has to do: done if it was asked for, else said. */
async function serve(
  setup: Setup,
  { runtime, needs, files }: PreparedSetup,
  { dryRun, restart }: Options,
  io: CommandIo,
): Promise<ConfigureReport['service']> {
  const command = serviceCommand(runtime, needs)
  // what an earlier run has written may have been taken up by now: said once, done when it is asked for
  if (command === undefined || (files.length === 0 && !restart)) return null
  const text = command.join(' ')
  if (dryRun || !restart) return { command: text, done: false }
  const [program, ...args] = command
  const limited = AbortSignal.any([io.signal, AbortSignal.timeout(RESTART_MS)])
  const { how, stderr } = await runProgram(program, args, limited)
  if (how !== 0) throw new ShoalError('SETUP_REFUSED', `the files are written, but ${text} failed: ${stderr.trim()}`)
  setup.settled(runtime)
  return { command: text, done: true }
}

function collect(one: string, others: readonly string[]): readonly string[] {
  return [...others, one]
}

function usage(message: string): ShoalError {
  return new ShoalError('CONFIG_INVALID', message)
}
