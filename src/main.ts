#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'

// V8 lets the space for new objects grow to 48 MiB under load and keeps it: on a host that runs containers that memory
// has a better use. Pieces lie outside the heap, so collecting a small space more often costs little.
setFlagsFromString('--semi-space-growth-factor=1')
// Node gives every message that a TLS server reads 64 KiB outside the heap, and V8 by itself marks the whole heap for
// every 32 MiB of that: half of an agent's CPU in a burst. Counted with the heap, they are freed with the new objects.
setFlagsFromString('--external-memory-accounted-in-global-limit')
// File calls hold a thread each while a disk hangs; four are gone at once, and with them name lookups and compression.
process.env.UV_THREADPOOL_SIZE ??= '16'
// Before anything else is loaded: compiled code that is kept halves the CPU time of a start. It lies beside the packages
// unless the environment names a place, as the service's unit does: its user may not write where it is installed.
enableCompileCache(
  process.env.NODE_COMPILE_CACHE ?? fileURLToPath(new URL('../node_modules/.cache/shoal', import.meta.url)),
)
const { runProgram } = await import('./cli/index.ts')

const interruption = new AbortController()

/** The first signal asks the command to end in good order; the second ends the process. */
function onSignal(): void {
  if (interruption.signal.aborted) process.exit(1)
  interruption.abort(new DOMException('interrupted', 'AbortError'))
}

process.on('SIGINT', onSignal)
process.on('SIGTERM', onSignal)
// An error message that nobody reads is no failure of its own.
process.stderr.on('error', () => {})
// A reader that left (`shoal status | head -1`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

process.exitCode = await runProgram(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: interruption.signal,
  setExitCode() {},
})
