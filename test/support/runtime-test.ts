import assert from 'node:assert/strict'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'

/**
 * Set where every runtime must be there (CI): a missing one is then a failure, not a skipped test. Not `SHOAL_`, which is
 * what the program under test reads as its configuration.
 */
const REQUIRED = process.env.REQUIRE_RUNTIMES === '1'
const TIMEOUT_MS = 240_000

export interface RuntimeNeeds {
  readonly programs: readonly string[]
  /** The Debian packages that bring them. */
  readonly packages: string
  /** What takes longer than other tests: the whole of it. */
  readonly timeoutMs?: number
}

/** A test with a real container runtime: skipped, with a reason, on machines that lack it. Needs root. */
export function runtimeTest(name: string, needs: RuntimeNeeds, body: (context: TestContext) => Promise<void>): void {
  const problem = problemWith(needs)
  const skip = problem !== undefined && !REQUIRED ? problem : false
  test(name, { skip, timeout: needs.timeoutMs ?? TIMEOUT_MS }, async (context) => {
    if (problem !== undefined) assert.fail(`${problem} (REQUIRE_RUNTIMES=1)`)
    await body(context)
  })
}

function problemWith({ programs, packages }: RuntimeNeeds): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux'
  const missing = programs.filter((program) => findProgram(program) === undefined)
  if (missing.length > 0) return `needs ${missing.join(' and ')}: install the Debian packages ${packages}`
  return process.getuid?.() === 0 ? undefined : 'needs root: the runtime mounts file systems'
}

/** Where a program is, in PATH and where daemons are kept. */
export function findProgram(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']
  return directories
    .filter((directory) => directory.startsWith('/'))
    .map((directory) => join(directory, name))
    .find(isExecutable)
}

/** The static busybox that images of these tests run. */
export function busybox(word: string): { file: string; name: string; args: string[] } {
  return { file: findProgram('busybox') ?? 'busybox', name: 'busybox', args: ['echo', word] }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
