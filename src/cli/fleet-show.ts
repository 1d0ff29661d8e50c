import { Command } from 'commander'
import { z } from 'zod'
import { systemClock } from '../base/clock.ts'
import { errorText } from '../base/errors.ts'
import { parseFleetKeys, readAuthorities, readCertificate, roleText } from '../trust/index.ts'
import type { CommandIo } from './command-io.ts'
import { fleetOf, parseOptions, readText, tell, usage } from './fleet-files.ts'
import { plainTable } from './plain-table.ts'

const DAY_MS = 86_400_000
const optionsSchema = z.object({ json: z.boolean().default(false) })

type Facts = Readonly<Record<string, string | number | boolean>>

export function showCommand(io: CommandIo): Command {
  return new Command('show')
    .description('Says what a file of the fleet is, whose, and until when. Shows no secret.')
    .argument('<file>', 'a key, a credential or an authority')
    .option('--json', 'print one JSON object')
    .action(async (file: string, raw: unknown) => {
      const { json } = parseOptions(optionsSchema, raw)
      const text = await readText('show', file)
      let facts: Facts
      try {
        facts = factsOf(text, systemClock.wall())
      } catch (cause) {
        throw usage(`${file}: ${errorText(cause)}`)
      }
      tell(io, json, { file, ...facts }, plainTable(Object.entries(facts).map(([key, value]) => [key, String(value)])))
    })
}

function factsOf(text: string, nowMs: number): Facts {
  if (text.trimStart().startsWith('shoal-')) return keyFacts(text)
  const holdsKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)
  try {
    const [authority] = readAuthorities(text)
    const { name, fingerprint, notAfterMs, x509 } = authority!
    return {
      kind: 'authority',
      fleet: fleetOf(authority!),
      name,
      fingerprint,
      holdsKey,
      ...lifetime(x509.validFromDate.getTime(), notAfterMs, nowMs),
    }
  } catch {
    // not an authority's: a holder's, or nothing that is known
  }
  const { role, name, serial, notBeforeMs, notAfterMs } = readCertificate(text)
  return {
    kind: role.role,
    role: roleText(role),
    fleet: role.fleet,
    ...(role.role === 'cache' ? { region: role.region } : {}),
    name,
    serial,
    holdsKey,
    ...lifetime(notBeforeMs, notAfterMs, nowMs),
  }
}

function keyFacts(text: string): Facts {
  const keys = parseFleetKeys(text)
  const [{ kind }] = keys as [(typeof keys)[number]]
  return { kind: `${kind} key`, keys: keys.length, holdsKey: kind === 'cache' }
}

function lifetime(fromMs: number, untilMs: number, nowMs: number): Facts {
  return {
    notBefore: new Date(fromMs).toISOString(),
    notAfter: new Date(untilMs).toISOString(),
    daysLeft: Math.floor((untilMs - nowMs) / DAY_MS),
    valid: nowMs >= fromMs && nowMs <= untilMs,
  }
}
