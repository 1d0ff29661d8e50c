/** The runtimes that can be told about a mirror, as the command line calls them. */
export const SETUP_RUNTIMES = ['docker', 'containerd', 'podman', 'crio', 'buildkit', 'nerdctl'] as const
export type SetupRuntime = (typeof SETUP_RUNTIMES)[number]

/** Where Docker keeps images: in its own graph drivers, or in containerd's stores. */
export const IMAGE_STORES = ['classic', 'containerd'] as const
export type ImageStore = (typeof IMAGE_STORES)[number]

/** Stands for every registry without settings of its own. */
export const ANY_REGISTRY = '*'

export interface RuntimeVersion {
  readonly major: number
  readonly minor: number
}

/** What is wanted of a runtime. */
export interface SetupGoal {
  readonly runtime: SetupRuntime
  /** Undefined where nobody knows: then only what every version takes alike can be written. */
  readonly version: RuntimeVersion | undefined
  /** Docker's; undefined = as its files say. */
  readonly store: ImageStore | undefined
  /** `http://host:port` of the agent's mirror. */
  readonly mirror: string
  /** Registries' hosts, canonical, or ANY_REGISTRY. */
  readonly registries: readonly string[]
}

/** The files of a machine as they are without this program's settings; paths are absolute. */
export interface FileView {
  /** Undefined when there is none. Throws `CONFIG_INVALID` for what is no text. */
  read(path: string): string | undefined
  /** The names in a directory, sorted; none when there is no such directory. */
  list(directory: string): readonly string[]
}

/** What a runtime's service has to do before it sees a changed file. */
export const FILE_NEEDS = ['nothing', 'reload', 'restart'] as const
export type FileNeeds = (typeof FILE_NEEDS)[number]

export interface PlannedFile {
  readonly path: string
  readonly text: string
  readonly needs: FileNeeds
  /** What taking it back takes, if that is more. */
  readonly undoNeeds?: FileNeeds
}

export interface SetupPlan {
  readonly files: readonly PlannedFile[]
  /** What the user should know, one line each. */
  readonly notes: readonly string[]
  /** Docker's, as used. */
  readonly store?: ImageStore
}
