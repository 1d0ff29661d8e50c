import { spawn } from 'node:child_process'

const KILL_AFTER_MS = 5_000
const MAX_OUTPUT_CHARS = 64 * 1024

/** How a program ended, and the end of what it wrote. `unrunnable`: it never began, `stderr` says why. */
interface ProgramEnd {
  readonly how: number | NodeJS.Signals | 'unrunnable'
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end. Aborting asks it to stop, then kills it; rejects with the signal's reason once it is gone. */
export async function runProgram(command: string, args: readonly string[], signal: AbortSignal): Promise<ProgramEnd> {
  signal.throwIfAborted()
  const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] = (said[name] + text).slice(-MAX_OUTPUT_CHARS)
    })
  }
  let killing: NodeJS.Timeout | undefined
  const stop = (): void => {
    child.kill('SIGTERM')
    killing = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS)
  }
  signal.addEventListener('abort', stop, { once: true })
  const end = await new Promise<ProgramEnd>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const stderr = error.code === 'ENOENT' ? 'there is no such program' : error.message
      resolve({ how: 'unrunnable', stdout: '', stderr })
    })
    // 'close' comes after the last output, 'exit' may not
    child.once('close', (code, by) => resolve({ how: by ?? code ?? 1, ...said }))
  })
  signal.removeEventListener('abort', stop)
  clearTimeout(killing)
  signal.throwIfAborted()
  return end
}
