import { createHash } from 'node:crypto'
import { z } from 'zod'
import { parseJson } from '../base/json.ts'
import { FILE_NEEDS, SETUP_RUNTIMES } from './interface.ts'
import { refusal } from './refusal.ts'
import type { RootedFiles } from './rooted-files.ts'

const DIRECTORY = '/etc/shoal/configure'
const RECORD = `${DIRECTORY}/record.json`
const OWNER_ONLY = 0o600

/** A file that was changed. Its content is told by its SHA-256; null = there was no file. */
const entrySchema = z.object({
  before: z.string().nullable(),
  after: z.string(),
  /** What an earlier run had made of it, until this one has written. */
  earlier: z.string().optional(),
  /** Who reads it and has been set up: it stays until the last of them is undone. */
  runtimes: z.array(z.enum(SETUP_RUNTIMES)).readonly(),
  undoNeeds: z.enum(FILE_NEEDS),
})
export type RecordEntry = Readonly<z.infer<typeof entrySchema>>

const recordSchema = z.object({
  version: z.literal(1),
  files: z.record(z.string(), entrySchema).readonly(),
  /** That had to be made, outermost first. */
  directories: z.array(z.string()).readonly(),
  /** What the services still have to do. */
  pending: z.partialRecord(z.enum(SETUP_RUNTIMES), z.enum(FILE_NEEDS)).readonly(),
})
export type SetupRecord = Readonly<z.infer<typeof recordSchema>>

export function fingerprint(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/**
 * What was changed, and what was there before: under /etc/shoal/configure, so that it stays with the files when the
 * store goes. Readable by its owner only: a runtime's configuration may have secrets in it.
 */
export class RecordStore {
  readonly #files: RootedFiles

  constructor(files: RootedFiles) {
    this.#files = files
  }

  read(): SetupRecord {
    const content = this.#files.read(RECORD)
    if (content === undefined) return { version: 1, files: {}, directories: [], pending: {} }
    this.#refuseForeign()
    const parsed = recordSchema.safeParse(parseJson(content))
    if (!parsed.success) throw refusal(`${RECORD} is damaged; what was there before is in ${DIRECTORY}/before`)
    return parsed.data
  }

  write(record: SetupRecord): void {
    this.#files.write(RECORD, Buffer.from(`${JSON.stringify(record, undefined, 2)}\n`), OWNER_ONLY)
  }

  /** Nothing is changed any more. */
  remove(): void {
    this.#files.remove(RECORD)
    this.#files.removeEmpty(DIRECTORY)
  }

  /** Keeps what a file is before it is changed for the first time. */
  keep(path: string, content: Uint8Array): void {
    this.#files.write(beforePath(path), content, OWNER_ONLY)
  }

  /** What a file was before. */
  before(path: string, { before }: RecordEntry): Buffer | undefined {
    if (before === null) return undefined
    const content = this.#files.read(beforePath(path))
    if (content !== undefined && fingerprint(content) === before) return content
    throw refusal(`${beforePath(path)}, which has what ${path} was, is lost or changed`)
  }

  forget(path: string): void {
    this.#files.remove(beforePath(path))
    removeUpwards(this.#files, beforePath(path))
  }

  /** Keeps what somebody else has made of a file. Returns where. */
  keepChanged(path: string, content: Uint8Array): string {
    const kept = `${DIRECTORY}/changed${path}.${fingerprint(content).slice(0, 12)}`
    this.#files.write(kept, content, OWNER_ONLY)
    return kept
  }

  /** It says which files root is to write: only root may have said so. */
  #refuseForeign(): void {
    const owner = this.#files.owner(RECORD)
    const self = process.geteuid?.() ?? 0
    const isOurs = owner !== undefined && [0, self].includes(owner.uid) && (owner.mode & 0o022) === 0
    if (!isOurs) throw refusal(`${RECORD} belongs to another user, or others may write to it`)
  }
}

function beforePath(path: string): string {
  return `${DIRECTORY}/before${path}`
}

function removeUpwards(files: RootedFiles, path: string): void {
  for (let directory = path; directory !== DIRECTORY; ) {
    directory = directory.slice(0, directory.lastIndexOf('/'))
    if (directory === DIRECTORY || !files.removeEmpty(directory)) return
  }
}
