import { Command } from 'commander'
import { z } from 'zod'
import type { NodeStatus } from '../admin/index.ts'
import { nodeStatusSchema } from '../admin/index.ts'
import { addressText, parseAddress, reachedHere } from '../base/address.ts'
import { errorText, isShoalError } from '../base/errors.ts'
import { productVersion } from '../base/version.ts'
import { loadConfig } from '../config/index.ts'
import { AdminClient, adminOptionsSchema, withAdminOptions } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import type { Finding } from './doctor-findings.ts'
import { CHECKS, fault, ok, statusFindings, tierFindings, warning } from './doctor-findings.ts'
import {
  accepting,
  accepts,
  clockFinding,
  imageFinding,
  mirrorFinding,
  roomFinding,
  runtimeFindings,
} from './doctor-probes.ts'
import { ownConfigFile } from './own-config.ts'
import { plainTable } from './plain-table.ts'
import { collect } from './repeatable.ts'

const optionsSchema = adminOptionsSchema.extend({
  config: z.string().optional(),
  image: z.array(z.string()).default([]),
  pull: z.boolean().default(true),
  json: z.boolean().default(false),
})
type Options = z.infer<typeof optionsSchema>

const HELP = `
Changes nothing: each runtime is asked for an empty image that only an agent's mirror has, and it is taken away again. Exit code: 0 when pulls go through this host's agent as they should, 1 when something keeps them from it,
2 when its configuration is wrong. Every finding says what to do.

Examples:
  sudo shoal doctor
  sudo shoal doctor --image registry.corp/shop/web:v42
  shoal doctor --json | jq '.findings[] | select(.level != "ok")'
`

/** `shoal doctor`: what is wrong with this host, and what to do about it. */
export function createCommand(io: CommandIo): Command {
  return withAdminOptions(new Command('doctor'))
    .summary('say what is wrong with a host, and what to do')
    .description(
      'Looks at the configuration, the running agent, its ports, caches, identity, certificates, clock, origins and disk, and at the runtimes that are installed.',
    )
    .option('--config <file>', "the agent's configuration; default: SHOAL_CONFIG or /etc/shoal/agent.yaml")
    .option(
      '--image <reference>',
      'also ask the mirror for this image, so that its origins are tried (repeatable)',
      collect,
      [],
    )
    .option('--no-pull', 'do not have the runtimes pull an image')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const options = optionsSchema.parse(raw)
      const findings = await examine(options, io)
      const ranked = findings.toSorted((a, b) => CHECKS.indexOf(a.check) - CHECKS.indexOf(b.check))
      const exitCode = ranked.reduce<Finding['exitCode']>((worst, { exitCode: one }) => (one > worst ? one : worst), 0)
      io.stdout.write(
        options.json ? `${JSON.stringify({ ok: exitCode === 0, exitCode, findings: ranked })}\n` : text(ranked),
      )
      io.setExitCode(exitCode)
    })
}

async function examine(options: Options, io: CommandIo): Promise<Finding[]> {
  const file = options.config ?? (await ownConfigFile(io.env))
  const remedy = 'mend it, and try it with shoal check'
  const loaded = await loadConfig({ file, env: io.env }).catch((error: unknown) => errorText(error))
  if (typeof loaded === 'string') {
    return [fault('configuration', loaded, remedy), ...(await ofAgent(options, io))]
  }
  const { config, warnings } = loaded
  const found = [
    file === undefined
      ? ok('configuration', 'there is no file: the defaults hold')
      : ok('configuration', `${file} would start`),
    ...warnings.map((text) => warning('configuration', text, remedy)),
  ]
  const [agent, clock, room, runtimes] = await Promise.all([
    ofAgent(options, io),
    clockFinding(config, io.signal),
    roomFinding(config),
    runtimeFindings({ config: file, pull: options.pull }, io),
  ])
  return [...found, ...agent, clock, room, ...runtimes]
}

/** What the running agent says, and what is found at its ports. */
async function ofAgent(options: Options, io: CommandIo): Promise<Finding[]> {
  let status: NodeStatus
  let images: Finding[]
  try {
    const client = await AdminClient.open(options, io)
    const read = () => client.get('/api/v1/status', nodeStatusSchema, io.signal)
    status = await read()
    images = await ofImages(options.image, status.addresses.mirror, io)
    // with how the origins have just answered
    if (images.length > 0) status = await read()
  } catch (error) {
    io.signal.throwIfAborted()
    const remedy = isShoalError(error, 'CONFIG_INVALID')
      ? 'run this as root or as the user of the agent, or with the --admin and the --token-file that are right'
      : 'start it (systemctl start shoal, or shoal agent) or name it with --admin, and run this as root or as its user'
    return [fault('agent', errorText(error), remedy)]
  }
  const { tier, addresses } = status
  const caches = [...tier.caches, ...tier.parents.flatMap(({ caches: above }) => above)]
  const unlinked = caches.filter(({ state }) => state !== 'linked').map(({ address }) => address)
  const [mirror, answering, peer] = await Promise.all([
    mirrorFinding(addresses.mirror, io.signal),
    accepting(unlinked),
    peerPortFinding(addresses.peer),
  ])
  return [
    ok('agent', `a ${status.role} of region ${status.region} runs`),
    mirror,
    ...peer,
    ...images,
    ...statusFindings(status, productVersion()),
    ...tierFindings(status, (address) => answering.has(address)),
  ]
}

async function ofImages(images: readonly string[], address: string, io: CommandIo): Promise<Finding[]> {
  const place = parseAddress(address)
  if (place === undefined) return []
  const mirror = `http://${addressText(reachedHere(place))}`
  return Promise.all(images.map((image) => imageFinding(image, mirror, io.signal)))
}

async function peerPortFinding(address: string): Promise<Finding[]> {
  const place = parseAddress(address)
  if (place !== undefined && (await accepts(reachedHere(place)))) return []
  return [fault('peers', `nobody answers at the peer port ${address}`, 'see whether another program has it (ss -ltnp)')]
}

const SIGNS = { ok: 'ok', warning: 'WARNING', error: 'ERROR' } as const satisfies Record<Finding['level'], string>

function text(findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ level, check, text: what, remedy }) => [
    [SIGNS[level], check, what],
    ...(remedy === null ? [] : [['', '', `-> ${remedy}`]]),
  ])
  const bad = findings.filter(({ level }) => level !== 'ok').length
  return `${plainTable(rows)}\n${bad === 0 ? 'nothing is wrong' : `${bad} to look at`}\n`
}
