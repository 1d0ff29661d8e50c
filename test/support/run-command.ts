import { Writable } from 'node:stream'
import { runProgram } from '../../src/cli/index.ts'

/** What one command line did. */
export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Text written to a stream, kept. */
export class TextSink extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    this.emit('text')
    done()
  }
}

/** Runs a command line in this process, as `shoal` would. */
export async function runCommand(
  args: readonly string[],
  signal?: AbortSignal,
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const stdout = new TextSink()
  const stderr = new TextSink()
  const io = { stdout, stderr, env, signal: signal ?? new AbortController().signal, setExitCode() {} }
  const code = await runProgram(args, io)
  return { code, stdout: stdout.text, stderr: stderr.text }
}
