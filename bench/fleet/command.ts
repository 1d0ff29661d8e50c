import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ShoalError } from '../../src/base/errors.ts'

const execute = promisify(execFile)

/** Runs a program of the system to its end and answers its output. Throws `UNAVAILABLE` with what it said. */
export async function runCommand(command: string, ...args: string[]): Promise<string> {
  try {
    const { stdout } = await execute(command, args, { maxBuffer: 16 * 1024 * 1024 })
    return stdout
  } catch (cause) {
    const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : ''
    throw new ShoalError('UNAVAILABLE', `${command} ${args.join(' ')} failed: ${said || String(cause)}`, { cause })
  }
}
