import { execFile } from 'node:child_process'

export interface ExecuteOptions {
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly timeoutMs?: number | undefined
  /** Default: this process's. */
  readonly cwd?: string | undefined
}

/** Runs a program to its end. Rejects, with everything it printed, when it fails or takes too long (default 2 min). */
export function execute(
  command: string,
  args: readonly string[],
  { env = {}, timeoutMs = 120_000, cwd }: ExecuteOptions = {},
): Promise<{ stdout: string; stderr: string }> {
  const options = { env: { ...process.env, ...env }, timeout: timeoutMs, cwd, maxBuffer: 64 * 1024 * 1024 }
  return new Promise((resolve, reject) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve({ stdout, stderr })
      reject(new Error(`${command} ${args.join(' ')}: ${error.message}\n${stdout}\n${stderr}`))
    })
  })
}
