import { createHmac, randomBytes } from 'node:crypto'
import { readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { errnoCode } from '../base/errno.ts'
import { parseJson } from '../base/json.ts'
import { readSmallFile } from '../base/small-file.ts'

const MAX_FILE_BYTES = 4096

/**
 * What tells a host from a copy of its disk, hashed: a machine's ids are nobody's business. Undefined where the system does
 * not say, as in containers.
 */
const factsSchema = z.object({
  /** /etc/machine-id: made at the first boot of an installation. */
  machine: z.string().optional(),
  /** The board's or the virtual machine's own id; only root may read it. */
  board: z.string().optional(),
  /** Where the identity lies: a copy on the same machine lies elsewhere. */
  place: z.string().optional(),
})

export type HostFacts = z.infer<typeof factsSchema>
type HostFact = keyof HostFacts

const SOURCES: Readonly<Record<Exclude<HostFact, 'place'>, string>> = {
  machine: '/etc/machine-id',
  board: '/sys/class/dmi/id/product_uuid',
}
const FACTS = ['machine', 'board', 'place'] as const satisfies readonly HostFact[]

/** What can be known of the host that keeps an identity at `identityPath`. Never rejects. */
export async function readHostFacts(identityPath: string): Promise<HostFacts> {
  const [machine, board, place] = await Promise.all([
    readFile(SOURCES.machine, 'utf8').catch(() => ''),
    readFile(SOURCES.board, 'utf8').catch(() => ''),
    realpath(dirname(identityPath)).catch(() => ''),
  ])
  return { machine: hashed(machine), board: hashed(board), place: hashed(place) }
}

/** The first fact that is known of both and differs: they are two hosts, or one that has moved. */
export function differingFact(before: HostFacts, now: HostFacts): HostFact | undefined {
  return FACTS.find((fact) => before[fact] !== undefined && now[fact] !== undefined && before[fact] !== now[fact])
}

/** The facts noted when the identity was made; undefined when there are none, or none that can be read. */
export async function notedFacts(identityPath: string): Promise<HostFacts | undefined> {
  try {
    const found = await readSmallFile(factsPath(identityPath), MAX_FILE_BYTES)
    return Buffer.isBuffer(found) ? factsSchema.safeParse(parseJson(found)).data : undefined
  } catch {
    return undefined
  }
}

/** Notes them beside the identity. Throws what the file system says. */
export async function noteFacts(identityPath: string, facts: HostFacts): Promise<void> {
  const path = factsPath(identityPath)
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`
  try {
    await writeFile(temporary, `${JSON.stringify(facts)}\n`, { mode: 0o600, flag: 'wx' })
    await rename(temporary, path).catch(async (error: unknown) => {
      if (errnoCode(error) !== 'EISDIR') throw error
      await rm(path, { recursive: true })
      await rename(temporary, path)
    })
  } finally {
    await rm(temporary, { force: true }).catch(() => {})
  }
}

/** A file of its own: releases up to 0.1.0 take an identity file with more in it for damaged. */
function factsPath(identityPath: string): string {
  return `${identityPath}-host`
}

/** As machine-id(5) asks for. */
function hashed(text: string): string | undefined {
  const fact = text.trim()
  return fact === '' ? undefined : createHmac('sha256', fact).update('shoal identity').digest('base64url')
}
