import type { FileNeeds, SetupRuntime } from '../setup/index.ts'
import { SERVICES } from '../setup/index.ts'

/** What one run has done or would do. */
export interface ConfigureReport {
  readonly runtime: SetupRuntime
  readonly undo: boolean
  /** `20.10`; null where it is not known. */
  readonly version: string | null
  readonly store: string | null
  readonly mirror: string | null
  readonly registries: readonly string[]
  /** Whose files: `/` for this system's. */
  readonly root: string
  readonly dryRun: boolean
  readonly files: readonly {
    readonly path: string
    readonly kind: 'create' | 'change' | 'remove'
    readonly diff: string
  }[]
  /** Copies of what others had made of the files. */
  readonly kept: readonly string[]
  readonly notes: readonly string[]
  /** What makes the runtime read its files; null when nothing has to. */
  readonly service: { readonly command: string; readonly done: boolean } | null
}

/** `systemctl reload docker`; undefined when nothing has to be done. */
export function serviceCommand(runtime: SetupRuntime, needs: FileNeeds): readonly [string, ...string[]] | undefined {
  const service = SERVICES[runtime]
  return service === null || needs === 'nothing' ? undefined : ['systemctl', needs, service]
}

export function headText({ runtime, version, store, mirror, registries }: ConfigureReport): string {
  const what = [runtime, ...(version === null ? [] : [version]), ...(store === null ? [] : [`(${store} image store)`])]
  return mirror === null ? '' : `${what.join(' ')}: ${registries.join(', ')} through ${mirror}\n`
}

export function tailText({ files, root, dryRun, undo, kept, notes, service }: ConfigureReport): string {
  const nothing = undo ? 'nothing to undo' : 'nothing to do: it is so already'
  const lines = [
    ...(files.length === 0 ? [nothing] : []),
    ...(dryRun && files.length > 0
      ? ['dry run: nothing was written']
      : files.map(({ path, kind }) => `${DONE[kind]} ${path}`)),
    ...kept.map((path) => `kept what somebody else had written: ${path}`),
    ...notes.map((note) => `note: ${note}`),
    ...(service === null ? [] : [serviceText(service, root)]),
  ]
  return `${lines.join('\n')}\n`
}

const DONE = { create: 'wrote', change: 'changed', remove: 'removed' } as const

function serviceText({ command, done }: NonNullable<ConfigureReport['service']>, root: string): string {
  if (done) return `done: ${command}`
  return root === '/' ? `to take effect: ${command} (--restart does it)` : `to take effect where it runs: ${command}`
}
