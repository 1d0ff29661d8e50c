import { Command } from 'commander'
import { z } from 'zod'
import { systemClock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { laterThan, newOrderId, signOrder } from '../orders/index.ts'
import type { PrewarmPatch } from '../prewarm/index.ts'
import {
  EDIT_ORDER,
  isJobId,
  isScheduleId,
  JOB_ORDER,
  parsePrewarmPatch,
  parsePrewarmSpec,
  prewarmHostSchema,
  prewarmPlanViewSchema,
  prewarmViewSchema,
} from '../prewarm/index.ts'
import type { OrderSigner } from '../trust/index.ts'
import { orderJson } from '../trust/index.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { completeReferences } from './complete-reference.ts'
import { credentialSchema, openCredential, signed, withCredential } from './credential.ts'
import { writeText } from './fit-text.ts'
import { readImageList } from './image-list.ts'
import { refuseNearCommand } from './near-command.ts'
import { addEditOptions, addSpecOptions, editRequest, optionOf, specRequest } from './prewarm-options.ts'
import {
  addWhenOptions,
  readSchedules,
  schedule,
  schedulesCommand,
  schedulesText,
  scheduleText,
  showSchedule,
  unschedule,
  whenOptionsSchema,
  whenRequest,
} from './prewarm-schedules.ts'
import { absentText, hostsText, jobsText, jobText, planText, unlistedText } from './prewarm-text.ts'
import { followJob, submitPatiently } from './prewarm-wait.ts'
import { collect } from './repeatable.ts'

const API = '/api/v1/prewarm'

const flag = z.boolean().default(false)
const startSchema = adminOptionsSchema
  .extend({
    ...credentialSchema.shape,
    ...whenOptionsSchema.shape,
    wait: flag,
    dryRun: flag,
    json: flag,
    fromFile: z.array(z.string()).default([]),
  })
  .loose()
const plainSchema = adminOptionsSchema.extend({ ...credentialSchema.shape, json: flag }).loose()
const jobsSchema = z.object({ jobs: z.array(prewarmViewSchema) })
const hostsSchema = z.object({ hosts: z.array(prewarmHostSchema) })
const showSchema = adminOptionsSchema.extend({ json: flag, hosts: flag })

const HELP = `
Examples:
  shoal prewarm registry.corp/team/app:v2 --dry-run
  shoal prewarm registry.corp/team/app:v2 --waves 1,10%,100% --rate 50MiB --wait
  shoal prewarm app:v2 sidecar:v7 --region eu-1 --select disk=ssd --quorum 95% --deadline 30m --pin 24h --wait --json
  shoal prewarm --from-file compose.yaml --dry-run
  shoal prewarm app:v2 --at 23:30 --zone Asia/Shanghai
  shoal prewarm app:nightly --every "30 4 * * 1-5"
  shoal prewarm list
  shoal prewarm edit ID --rate 200MiB
  shoal prewarm registry.corp/team/app:v2 --credential ~/.shoal/operator.pem --wait

Who starts, changes or ends a job acts on the whole fleet: that needs an operator's credential, or is done on a cache.
Looking (list, show, --dry-run) does not.
Whoever starts a job may leave: it is kept and driven by the caches. With --wait the exit code is 0 when the quorum is
reached, 1 when it is not, the job was cancelled or a region did not answer. --json prints one object, with --wait one per line, the last the end.
With --at or --every the caches keep it as a schedule, across their restarts, and look the tags up anew at each run; a
run that no cache was there for is made up for within an hour, and is missed after that, as "schedules" says.
A job fills Shoal's stores; the runtimes still unpack when they pull, unless --load has them do it.
`

/** `shoal prewarm`: images present on hosts before anybody pulls them. */
export function createCommand(io: CommandIo): Command {
  const command = withCredential(withAdminOptions(new Command('prewarm')))
    // so that what follows a subcommand is the subcommand's
    .enablePositionalOptions()
    .summary('make images present on every host before a rollout')
    .description('Makes images present on the hosts of the fleet, at a pace it can bear, and tells how far it is.')
    .argument('[images...]', '[registry/]repository[:tag][@digest]; layers that they share move once')
    .option(
      '--from-file <file>',
      'also the images that a list, a compose file or Kubernetes manifests name; may be repeated',
      collect,
    )
    .option('--wait', 'show progress until the job has ended')
    .option('--dry-run', 'only plan: what would move where, and who has no room')
    .option('--json', 'print JSON; with --wait one object per line')
    .addHelpText('after', HELP)
    .action((images: string[], raw: unknown) => {
      const commands = command.commands.map((one) => one.name())
      refuseNearCommand(images[0], commands, 'shoal prewarm')
      return start(io, images, raw)
    })
  addWhenOptions(addSpecOptions(command))
  command.addCommand(listCommand(io))
  command.addCommand(showCommand(io))
  for (const [name, state, summary] of STATE_COMMANDS) command.addCommand(stateCommand(io, name, state, summary))
  command.addCommand(editCommand(io))
  command.addCommand(schedulesCommand(io))
  return command
}

const STATE_COMMANDS = [
  ['pause', 'paused', 'let a job rest: hosts stop within seconds and keep what they have'],
  ['resume', 'running', 'go on with a paused job'],
  ['cancel', 'cancelled', 'end a job: hosts stop within seconds and keep what they have; or a schedule'],
] as const

async function start(io: CommandIo, images: readonly string[], raw: unknown): Promise<void> {
  const { wait, dryRun, json, fromFile, at, every, zone, ...rest } = startSchema.parse(raw)
  const listed = await Promise.all(fromFile.map(readImageList))
  const request = specRequest([...new Set([...images, ...listed.flat()])], rest)
  // what is wrong by itself is told without an agent
  parsePrewarmSpec(request, optionOf)
  const when = whenRequest({ at, every, zone })
  if (when !== undefined && wait) throw new ShoalError('PREWARM_INVALID', '--wait: a schedule has nothing to wait for')
  const client = await AdminClient.open(rest, io)
  const signer = dryRun ? undefined : await openCredential(rest, io)
  if (dryRun) {
    const plan = await client.post(API, { ...request, dryRun }, prewarmPlanViewSchema, io.signal)
    return json ? void io.stdout.write(`${JSON.stringify(plan)}\n`) : writeText(io, planText(plan))
  }
  if (when !== undefined) {
    const kept = await schedule(client, request, { when, signer, io })
    return void io.stdout.write(json ? `${JSON.stringify(kept)}\n` : `${scheduleText(kept)}\n`)
  }
  const id = newOrderId(systemClock.wall())
  const body = signer === undefined ? { ...request, id } : await orderedStart(client, signer, { id, request }, io)
  const job = await unlessLeft(io, id, 'may have begun', submitPatiently(client, body, io))
  if (!json && job.absent.length > 0) io.stderr.write(`region ${absentText(job.absent)}\n`)
  if (!wait) {
    const text = `${job.id}\n${job.images.map(({ reference, digest }) => `${reference} ${digest}`).join('\n')}`
    return void io.stdout.write(json ? `${JSON.stringify(job)}\n` : `${text}\n`)
  }
  if (!json) io.stderr.write(`job ${job.id}\n`)
  const end = await unlessLeft(io, id, 'goes on without its watcher', followJob(client, job, io, json))
  if (!json) writeText(io, jobText(end))
  // hosts that are missed are missed, whoever did not hear of them
  if (end.state !== 'done' || end.absent.length > 0) io.setExitCode(1)
}

/** The job as its user signs it: complete, because nobody may complete it later. */
async function orderedStart(
  client: AdminClient,
  signer: OrderSigner,
  { id, request }: { readonly id: string; readonly request: Record<string, unknown> },
  { signal }: CommandIo,
): Promise<object> {
  const spec = parsePrewarmSpec(request, optionOf)
  const images = await completeReferences(client, spec.images, signal)
  return {
    order: orderJson(
      signed(signOrder(signer, JOB_ORDER, { id, content: { ...spec, images }, issuedEpochMs: systemClock.wall() })),
    ),
  }
}

/** Tells whoever stops waiting that the job does not stop. */
async function unlessLeft<T>(io: CommandIo, id: string, what: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const help = `see "shoal prewarm show ${id}", end it with "shoal prewarm cancel ${id}"`
    if (io.signal.aborted) io.stderr.write(`job ${id} ${what}: ${help}\n`)
    throw error
  }
}

function listCommand(io: CommandIo): Command {
  return withAdminOptions(new Command('list'))
    .summary('show the jobs of the fleet, and its schedules')
    .option('--json', 'print JSON')
    .action(async (raw: unknown) => {
      const options = plainSchema.parse(raw)
      const client = await AdminClient.open(options, io)
      const { jobs } = await client.get(API, jobsSchema, io.signal)
      if (options.json) return void io.stdout.write(`${JSON.stringify(jobs)}\n`)
      writeText(io, jobsText(jobs))
      const schedules = await readSchedules(client, io.signal)
      if (schedules.length > 0) writeText(io, `\n${schedulesText(schedules)}`)
    })
}

function showCommand(io: CommandIo): Command {
  return withAdminOptions(new Command('show'))
    .summary('show one job, or one schedule')
    .argument('<id>', 'as "shoal prewarm list" shows it')
    .option('--hosts', 'also every host')
    .option('--json', 'print JSON')
    .action(async (id: string, raw: unknown) => {
      const options = showSchema.parse(raw)
      const client = await AdminClient.open(options, io)
      if (isScheduleId(id)) {
        const found = await showSchedule(client, id, io.signal)
        return void io.stdout.write(options.json ? `${JSON.stringify(found)}\n` : `${scheduleText(found)}\n`)
      }
      const path = jobPath(id)
      const job = await client.get(path, prewarmViewSchema, io.signal)
      const hosts = options.hosts ? (await client.get(`${path}/hosts`, hostsSchema, io.signal)).hosts : undefined
      if (options.json) io.stdout.write(`${JSON.stringify(hosts === undefined ? job : { ...job, hostList: hosts })}\n`)
      else writeText(io, jobText(job))
      if (hosts !== undefined && !options.json)
        writeText(io, `\n${hostsText(hosts)}\n${unlistedText(job, hosts)}`.trimEnd())
    })
}

function stateCommand(io: CommandIo, name: string, state: string, summary: string): Command {
  return withCredential(withAdminOptions(new Command(name)))
    .summary(summary)
    .argument('<id>', 'as "shoal prewarm list" shows it')
    .option('--json', 'print JSON')
    .action((id: string, raw: unknown) =>
      isScheduleId(id) && state === 'cancelled' ? cancelSchedule(io, id, raw) : patch(io, id, { state }, raw),
    )
}

function editCommand(io: CommandIo): Command {
  const command = withCredential(withAdminOptions(new Command('edit')))
    .summary('change a job while it runs')
    .argument('<id>', 'as "shoal prewarm list" shows it')
    .option('--json', 'print JSON')
    .action((id: string, raw: unknown) => {
      const changes = editRequest(plainSchema.parse(raw))
      if (Object.keys(changes).length === 0) throw new ShoalError('PREWARM_INVALID', 'say what to change; see --help')
      return patch(io, id, changes, raw)
    })
  return addEditOptions(command)
}

async function cancelSchedule(io: CommandIo, id: string, raw: unknown): Promise<void> {
  const options = plainSchema.parse(raw)
  const client = await AdminClient.open(options, io)
  const ended = await unschedule(client, id, { signer: await openCredential(options, io), io })
  io.stdout.write(options.json ? `${JSON.stringify(ended)}\n` : `${scheduleText(ended)}\n`)
}

async function patch(io: CommandIo, id: string, changes: object, raw: unknown): Promise<void> {
  const parsed = parsePrewarmPatch(changes, optionOf)
  const options = plainSchema.parse(raw)
  const path = jobPath(id)
  const client = await AdminClient.open(options, io)
  const signer = await openCredential(options, io)
  const body = signer === undefined ? changes : await orderedChange(client, signer, { id, patch: parsed }, io)
  const job = await client.patch(path, body, prewarmViewSchema, io.signal)
  io.stdout.write(options.json ? `${JSON.stringify(job)}\n` : `${jobText(job)}\n`)
}

/** A change as its user signs it: later than the job's last one, however clocks go. */
async function orderedChange(
  client: AdminClient,
  signer: OrderSigner,
  { id, patch }: { readonly id: string; readonly patch: PrewarmPatch },
  { signal }: CommandIo,
): Promise<object> {
  const { orderedEpochMs } = await client.get(jobPath(id), prewarmViewSchema, signal)
  const issuedEpochMs = laterThan(orderedEpochMs, systemClock.wall())
  return { order: orderJson(signed(signOrder(signer, EDIT_ORDER, { id, content: patch, issuedEpochMs }))) }
}

function jobPath(id: string): string {
  if (isScheduleId(id)) {
    throw new ShoalError('PREWARM_INVALID', `${id} is a schedule: it can be shown and cancelled, and another one made`)
  }
  if (isJobId(id)) return `${API}/${id}`
  throw new ShoalError('PREWARM_INVALID', `"${id}" is no id of a job; see "shoal prewarm list"`)
}
