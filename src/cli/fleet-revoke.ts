import { randomBytes } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { z } from 'zod'
import { systemClock } from '../base/clock.ts'
import { errnoCode } from '../base/errno.ts'
import { errorText } from '../base/errors.ts'
import type { Authority } from '../trust/index.ts'
import { canonicalSerial, issueRevocationList, readCertificate, readRevocationList } from '../trust/index.ts'
import type { CommandIo } from './command-io.ts'
import { daysSchema, openAuthority, parseOptions, readText, tell, usage } from './fleet-files.ts'
import { collect } from './repeatable.ts'

/** Hosts go on believing a list that is older; the date only tells people that a new one is due. */
const LIST_DAYS = '365'
const SERIAL = /^[0-9A-Fa-f]{1,40}$/

const optionsSchema = z.object({
  authority: z.string(),
  list: z.string(),
  serial: z.array(z.string().regex(SERIAL, { error: '--serial is no hexadecimal number' })).default([]),
  days: daysSchema,
  json: z.boolean().default(false),
})

export function revokeCommand(io: CommandIo): Command {
  return new Command('revoke')
    .description('Takes certificates back: adds them to the list that caches hand on to all hosts.')
    .argument('[credentials...]', 'files with the certificates; their keys are not needed')
    .option('--authority <file>', 'the authority.pem that shoal fleet init has made', 'authority.pem')
    .option(
      '--list <file>',
      'the list to add to, made if missing; name it in fleet.revocations of the caches',
      'revocations.crl',
    )
    .option('--serial <hex>', 'a certificate whose file is lost; repeatable', collect, [])
    .option('--days <n>', 'when the list should be made anew at the latest', LIST_DAYS)
    .option('--json', 'print one JSON object')
    .action(async (files: string[], raw: unknown) => {
      const { list, serial, days, json, ...options } = parseOptions(optionsSchema, raw)
      const authority = await openAuthority(options.authority)
      const serials = await Promise.all(files.map((file) => serialOf(file, authority.authority)))
      const wanted = [...serials, ...serial.map(canonicalSerial)]
      if (wanted.length === 0) throw usage('name a file with a certificate, or --serial')
      const known = await readList(list, authority.authority)
      const nowMs = Math.max(systemClock.wall(), known.issuedAtMs + 1_000)
      const revoked = new Map([...wanted.map((one): [string, number] => [one, nowMs]), ...known.revoked])
      const entries = [...revoked].map(([one, atMs]) => ({ serial: one, atMs }))
      await replaceFile(list, await issueRevocationList(authority, entries, days, nowMs))
      const text = `${list}: ${revoked.size} revoked; give it to the caches (fleet.revocations), they hand it on`
      tell(io, json, { list, serials: wanted, revoked: revoked.size }, text)
    })
}

async function serialOf(file: string, { x509 }: Authority): Promise<string> {
  const text = await readText('revoke', file)
  try {
    const certificate = readCertificate(text)
    if (!certificate.x509.verify(x509.publicKey)) throw new Error('is by another authority')
    return certificate.serial
  } catch (cause) {
    throw usage(`${file}: ${errorText(cause)}`)
  }
}

async function readList(
  file: string,
  authority: Authority,
): Promise<{ readonly issuedAtMs: number; readonly revoked: ReadonlyMap<string, number> }> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return { issuedAtMs: 0, revoked: new Map() }
    throw usage(`--list ${file}: cannot be read (${errorText(error)})`)
  }
  try {
    return await readRevocationList(text, [authority])
  } catch (cause) {
    throw usage(`--list ${file}: ${errorText(cause)}`)
  }
}

/** The one file that is written again: it only ever grows, and a daemon may be reading it. */
async function replaceFile(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}`
  try {
    await writeFile(temporary, text, { mode: 0o644, flush: true })
    await rename(temporary, file)
  } catch (cause) {
    await rm(temporary, { force: true })
    throw usage(`--list ${file}: ${errorText(cause)}`)
  }
}
