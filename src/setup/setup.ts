import type { Change, ChangeContext } from './changes.ts'
import { changes, placing, releasing, viewWithoutUs } from './changes.ts'
import { fileDiff } from './file-diff.ts'
import type { FileNeeds, ImageStore, SetupGoal, SetupRuntime } from './interface.ts'
import { FILE_NEEDS } from './interface.ts'
import { planSetup } from './plan.ts'
import type { RecordEntry, SetupRecord } from './record.ts'
import { RecordStore } from './record.ts'
import { refusal } from './refusal.ts'
import { RootedFiles } from './rooted-files.ts'

interface FileChange {
  readonly path: string
  readonly kind: 'create' | 'change' | 'remove'
  /** As `diff -u` shows it. */
  readonly diff: string
}

/** What would be done; `commit` does it. */
export interface PreparedSetup {
  readonly runtime: SetupRuntime
  readonly files: readonly FileChange[]
  readonly notes: readonly string[]
  readonly store: ImageStore | undefined
  /** What the runtime's service has to do then, also for what was written earlier. */
  readonly needs: FileNeeds
  readonly changes: readonly Change[]
}

const OWN_DIRECTORY = '/etc/shoal'

/** Sets up runtimes in the files below a root, and takes that back. */
export class Setup {
  readonly #files: RootedFiles
  readonly #records: RecordStore

  constructor(root: string) {
    this.#files = new RootedFiles(root)
    this.#records = new RecordStore(this.#files)
  }

  /** Decides what has to change. Throws as planSetup does, and `SETUP_REFUSED` for files that others have changed since. */
  prepare(goal: SetupGoal, force: boolean): PreparedSetup {
    const context = this.#context(goal.runtime, force)
    const { files, notes, store } = planSetup(goal, viewWithoutUs(context))
    const planned = new Set(files.map(({ path }) => path))
    const dropped = Object.keys(context.record.files).filter((path) => !planned.has(path))
    const found = [...files.map((file) => placing(file, context)), ...dropped.map((path) => releasing(path, context))]
    return prepared(context, found, notes, store)
  }

  /** Decides what has to change for every file to be byte for byte what it was. */
  prepareUndo(runtime: SetupRuntime, force: boolean): PreparedSetup {
    const context = this.#context(runtime, force)
    const paths = Object.keys(context.record.files)
    const shared = paths.filter((path) => (context.record.files[path]?.runtimes.length ?? 0) > 1)
    const notes = shared
      .filter((path) => context.record.files[path]?.runtimes.includes(runtime))
      .map((path) => `${path} stays: another runtime that was set up reads it, too`)
    const undone = prepared(
      context,
      paths.map((path) => releasing(path, context)),
      notes,
      undefined,
    )
    return { ...undone, notes: [...undone.notes, ...restartNotes(runtime, undone.needs)] }
  }

  /** Does what was prepared. Returns where it has kept what would have been lost. */
  commit({ runtime, changes: all, needs }: PreparedSetup): readonly string[] {
    const old = this.#records.read()
    if (all.length === 0) return []
    for (const { path, current } of all) {
      if (!isSame(this.#files.read(path), current))
        throw refusal(`${path} is being changed by somebody else; run this again`)
    }
    const isNew = !this.#files.list('/etc').includes('shoal')
    const kept = all.flatMap(({ path, newBefore, keptAside }) => {
      const aside = keptAside === undefined ? [] : [this.#records.keepChanged(path, keptAside)]
      if (newBefore !== undefined) this.#records.keep(path, newBefore)
      return aside
    })
    const next = nextRecord(old, all, runtime, needs)
    // the record is true at every moment: it has a file before that is changed, and until it is what it was
    const directories = [...old.directories, ...(isNew ? [OWN_DIRECTORY] : [])]
    if (Object.keys(next.files).length > 0 || Object.keys(old.files).length > 0) {
      this.#records.write({ ...next, files: { ...old.files, ...next.files }, directories })
    }
    const made = all.filter(changes).flatMap((change) => this.#place(change))
    this.#finish({ ...next, directories: [...directories, ...made] }, all)
    return kept
  }

  /** The service has done what it had to. */
  settled(runtime: SetupRuntime): void {
    const record = this.#records.read()
    if (record.pending[runtime] === undefined) return
    this.#records.write({ ...record, pending: { ...record.pending, [runtime]: undefined } })
  }

  #context(runtime: SetupRuntime, force: boolean): ChangeContext {
    const record = this.#records.read()
    return { runtime, files: this.#files, records: this.#records, record, force }
  }

  #place({ path, next }: Change): readonly string[] {
    if (next !== undefined) return this.#files.write(path, next, 0o644)
    this.#files.remove(path)
    return []
  }

  #finish(record: SetupRecord, all: readonly Change[]): void {
    for (const { path, entry } of all) if (entry === undefined) this.#records.forget(path)
    const isOver = Object.keys(record.files).length === 0
    if (isOver) this.#records.remove()
    const left = record.directories.toReversed().filter((directory) => !this.#files.removeEmpty(directory))
    if (!isOver) this.#records.write({ ...record, directories: left.toReversed() })
  }
}

function prepared(
  { runtime, record }: ChangeContext,
  found: readonly (Change | undefined)[],
  notes: readonly string[],
  store: ImageStore | undefined,
): PreparedSetup {
  const all = found.filter((change) => change !== undefined)
  const real = all.filter(changes)
  const files = real.map(({ path, current, next }): FileChange => {
    const kind = current === undefined ? 'create' : next === undefined ? 'remove' : 'change'
    return { path, kind, diff: fileDiff(path, current, next) }
  })
  const needs = most([record.pending[runtime] ?? 'nothing', ...real.map((change) => change.needs)])
  return { runtime, files, notes, store, needs, changes: all }
}

/** What a restart costs, where it is easy to take for less. */
function restartNotes(runtime: SetupRuntime, needs: FileNeeds): string[] {
  if (runtime !== 'docker' || needs !== 'restart') return []
  return [
    'Docker keeps its mirror until it restarts, which stops containers without live-restore; if the agent is gone, it goes on to Docker Hub by itself',
  ]
}

function nextRecord(old: SetupRecord, all: readonly Change[], runtime: SetupRuntime, needs: FileNeeds): SetupRecord {
  const files: Record<string, RecordEntry> = { ...old.files }
  for (const { path, entry } of all) {
    if (entry === undefined) delete files[path]
    else files[path] = entry
  }
  return { ...old, files, pending: { ...old.pending, [runtime]: needs === 'nothing' ? undefined : needs } }
}

function most(needs: readonly FileNeeds[]): FileNeeds {
  return needs.reduce((one, other) => (FILE_NEEDS.indexOf(other) > FILE_NEEDS.indexOf(one) ? other : one), 'nothing')
}

function isSame(one: Buffer | undefined, other: Buffer | undefined): boolean {
  return one === undefined || other === undefined ? one === other : one.equals(other)
}
