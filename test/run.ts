/**
 * Runs the tests: `npm test`, or `npm test -- test/unit/config test/fleet` for those under the given paths.
 *
 * Unit and integration tests run two files at a time; fleet and runtime tests start many processes and measure
 * nothing, but need the machine to themselves, so they run one by one. Ends with one summary in the form of node's
 * test runner over both groups; the exit code is 1 if anything failed.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { delimiter, join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { stripVTControlCharacters } from 'node:util'

const ROOT = join(import.meta.dirname, '..')
const GROUPS = [
  { directories: ['architecture.test.ts', 'unit', 'integration'], concurrency: 2 },
  { directories: ['fleet', 'runtime'], concurrency: 1 },
] as const

/** What the tests in test/runtime drive when it is there. */
const RUNTIMES = ['dockerd', 'containerd', 'podman', 'skopeo', 'buildkitd', 'chromium']

/** Hundreds of processes load the same files: what Node has made of them once, and each reads by its content, is kept. */
const COMPILED = join(ROOT, 'node_modules/.cache/compiled')

/** A test that takes this long has hung. */
const HUNG_MS = 600_000

/** The lines of node's summary, in its order. */
const SUMMARY_KEYS = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo', 'duration_ms']
const SUMMARY_LINE = /^ℹ (\w+) ([\d.]+)$/

interface GroupResult {
  readonly exitCode: number
  readonly counts: ReadonlyMap<string, number>
}

function testFiles(directories: readonly string[], wanted: readonly string[]): string[] {
  return directories
    .flatMap((name) => {
      const path = join(import.meta.dirname, name)
      if (name.endsWith('.test.ts')) return [path]
      if (!existsSync(path)) return []
      return readdirSync(path, { recursive: true, encoding: 'utf8' }).map((file) => join(path, file))
    })
    .map((path) => relative(ROOT, path))
    .filter((path) => path.endsWith('.test.ts'))
    .filter((path) => wanted.length === 0 || wanted.some((prefix) => path.startsWith(join(prefix))))
    .sort()
}

/** Runs the files, passing their output on, and reads the counts off the summary at its end. */
async function runGroup(files: readonly string[], concurrency: number): Promise<GroupResult> {
  const options = ['--test', '--test-reporter=spec', `--test-concurrency=${concurrency}`, `--test-timeout=${HUNG_MS}`]
  const child = spawn(process.execPath, [...options, ...files], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { NODE_COMPILE_CACHE: COMPILED, ...process.env },
  })
  const stop = (): void => void child.kill('SIGTERM')
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve(code ?? 1))
  })
  const counts = new Map<string, number>()
  for await (const line of createInterface({ input: child.stdout })) {
    const match = SUMMARY_LINE.exec(stripVTControlCharacters(line))
    if (match?.[1] !== undefined && SUMMARY_KEYS.includes(match[1])) counts.set(match[1], Number(match[2]))
    process.stdout.write(`${line}\n`)
  }
  process.off('SIGINT', stop).off('SIGTERM', stop)
  return { exitCode: await exited, counts }
}

function missingRuntimes(): string[] {
  const places = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin']
  return RUNTIMES.filter((name) => !places.some((place) => isExecutable(join(place, name))))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const wanted = process.argv.slice(2)
const results: GroupResult[] = []
let ran = 0
for (const { directories, concurrency } of GROUPS) {
  const files = testFiles(directories, wanted)
  ran += files.length
  if (files.some((file) => file.startsWith(join('test', 'runtime')))) {
    const missing = missingRuntimes()
    const note =
      missing.length === 0 ? 'all installed' : `not installed, their tests are skipped: ${missing.join(', ')}`
    process.stdout.write(`container runtimes: ${note}\n`)
  }
  if (files.length > 0) results.push(await runGroup(files, concurrency))
}

if (ran === 0) process.stderr.write(`no test file matches ${wanted.join(' ')}\n`)
const failed = ran === 0 || results.some(({ exitCode }) => exitCode !== 0)
// After a failure, node lists the failed tests below its summary: the counts come last here in every case.
if (results.length > 1 || (failed && ran > 0)) {
  process.stdout.write('\n')
  for (const key of SUMMARY_KEYS) {
    const total = results.reduce((sum, { counts }) => sum + (counts.get(key) ?? 0), 0)
    process.stdout.write(`ℹ ${key} ${total}\n`)
  }
}
process.exitCode = failed ? 1 : 0
