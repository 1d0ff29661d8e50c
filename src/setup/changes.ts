import type { FileNeeds, FileView, PlannedFile, SetupRuntime } from './interface.ts'
import type { RecordEntry, RecordStore, SetupRecord } from './record.ts'
import { fingerprint } from './record.ts'
import { refusal, unreadable } from './refusal.ts'
import type { RootedFiles } from './rooted-files.ts'

/** One file's way from what it is to what it should be. */
export interface Change {
  readonly path: string
  readonly current: Buffer | undefined
  /** Undefined = no file. */
  readonly next: Buffer | undefined
  /** What the record has to say of it then; undefined = nothing. */
  readonly entry: RecordEntry | undefined
  /** What `--undo` would bring back, if that is not what it was. */
  readonly newBefore?: Buffer | undefined
  /** What would be lost if it was not kept aside. */
  readonly keptAside?: Buffer | undefined
  readonly needs: FileNeeds
}

export interface ChangeContext {
  readonly runtime: SetupRuntime
  readonly files: RootedFiles
  readonly records: RecordStore
  readonly record: SetupRecord
  /** Also over what somebody else has made of a file since; that is kept aside. */
  readonly force: boolean
}

/** Whose a file's content is: this program's, what was before that, or somebody else's since. */
type Ownership = 'ours' | 'before' | 'changed'

function ownership(current: Buffer | undefined, { before, after, earlier }: RecordEntry): Ownership {
  const found = current === undefined ? null : fingerprint(current)
  if (found === after || found === earlier) return 'ours'
  return found === before ? 'before' : 'changed'
}

/** The files as they are without what the record has of this program, so that planning again leads to the same. */
export function viewWithoutUs({ files, records, record }: ChangeContext): FileView {
  const text = (path: string, content: Buffer | undefined): string | undefined => {
    try {
      return content === undefined
        ? undefined
        : new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
    } catch {
      throw unreadable(path, undefined, 'not text in UTF-8')
    }
  }
  const isOwn = (path: string): boolean => {
    const entry = record.files[path]
    return entry?.before === null && ownership(files.read(path), entry) === 'ours'
  }
  return {
    read(path) {
      const current = files.read(path)
      const entry = record.files[path]
      const isOurs = entry !== undefined && ownership(current, entry) === 'ours'
      return text(path, isOurs ? records.before(path, entry) : current)
    },
    list: (directory) => files.list(directory).filter((name) => !isOwn(`${directory}/${name}`)),
  }
}

/** What has to be done for a file to be as planned; undefined when it is so already, and not by this program. */
export function placing(planned: PlannedFile, context: ChangeContext): Change | undefined {
  const { path, needs, undoNeeds = needs } = planned
  const current = context.files.read(path)
  const next = Buffer.from(planned.text)
  const old = context.record.files[path]
  const isSame = current?.equals(next) === true
  if (old === undefined) {
    if (isSame) return undefined
    const entry = { before: fingerprintOf(current), after: fingerprint(next), runtimes: [context.runtime], undoNeeds }
    return { path, current, next, entry, newBefore: current, needs }
  }
  const runtimes = [...new Set([...old.runtimes, context.runtime])]
  const entry = { before: old.before, after: fingerprint(next), earlier: old.after, runtimes, undoNeeds }
  if (isSame && entry.after === old.after && runtimes.length === old.runtimes.length) return undefined
  if (isSame || ownership(current, old) !== 'changed') return { path, current, next, entry, needs }
  refuseChanged(path, context)
  const replaced = { ...entry, before: fingerprintOf(current) }
  const keptAside = context.records.before(path, old)
  return { path, current, next, entry: replaced, newBefore: current, keptAside, needs }
}

/** What has to be done for a file to be what it was; undefined when the record knows nothing of it for this runtime. */
export function releasing(path: string, context: ChangeContext): Change | undefined {
  const old = context.record.files[path]
  if (old === undefined || !old.runtimes.includes(context.runtime)) return undefined
  const current = context.files.read(path)
  const others = old.runtimes.filter((runtime) => runtime !== context.runtime)
  if (others.length > 0) {
    return { path, current, next: current, entry: { ...old, runtimes: others }, needs: 'nothing' }
  }
  const { undoNeeds: needs } = old
  switch (ownership(current, old)) {
    case 'before':
      return { path, current, next: current, entry: undefined, needs: 'nothing' }
    case 'ours':
      return { path, current, next: context.records.before(path, old), entry: undefined, needs }
    case 'changed': {
      refuseChanged(path, context)
      const next = context.records.before(path, old)
      return { path, current, next, entry: undefined, keptAside: current, needs }
    }
  }
}

export function changes({ current, next }: Change): boolean {
  return current === undefined || next === undefined ? current !== next : !current.equals(next)
}

function fingerprintOf(content: Buffer | undefined): string | null {
  return content === undefined ? null : fingerprint(content)
}

function refuseChanged(path: string, { force }: ChangeContext): void {
  if (force) return
  throw refusal(
    `${path} was changed by somebody else since shoal configure wrote it; --force goes on, and keeps a copy`,
  )
}
