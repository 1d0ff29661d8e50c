import type { Writable } from 'node:stream'
import type { Command } from 'commander'

/** What a command may touch of the process it runs in, so that tests can run one without being one. */
export interface CommandIo {
  /** Results. */
  readonly stdout: Writable & { readonly isTTY?: boolean | undefined; readonly columns?: number | undefined }
  /** Errors, progress and logs. */
  readonly stderr: Writable & { readonly isTTY?: boolean | undefined; readonly columns?: number | undefined }
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborts on the first SIGINT or SIGTERM (the agent takes the signals itself). */
  readonly signal: AbortSignal
  /** The exit code, unless the action throws: 0 done, 1 failed, 2 a configuration that is wrong. */
  setExitCode(code: 0 | 1 | 2): void
}

/** What each file of a command exports as `createCommand`: the command with its options, help and action. */
export type CreateCommand = (io: CommandIo) => Command
