/**
 * Runs the tests: `npm test`, or `npm test -- test/unit/config test/fleet` for those under the given paths.
 *
 * Files run beside each other: what they start has directories, ports and network namespaces of its own, and nothing
 * asserts how long something takes. Those that start real runtimes and whole fleets come first, for they last longest and
 * wait most. Ends with the files that took longest and one summary in the form of node's test runner; the exit code is 1
 * if anything failed.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import type { EventData } from 'node:test'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { findProgram } from './support/runtime-test.ts'

const ROOT = join(import.meta.dirname, '..')
const ORDER = ['runtime', 'fleet', 'integration', 'unit', 'architecture.test.ts']
/** Each file has processes enough of its own. With more of them at once a machine of two cores has no answer in time. */
const FILES_AT_ONCE = Math.min(Math.max(availableParallelism(), 2), 8)

/** What the tests in test/runtime drive when it is there. */
const RUNTIMES = ['dockerd', 'containerd', 'podman', 'skopeo', 'buildkitd', 'chromium']

/** Hundreds of processes load the same files: what Node has made of them once, and each reads by its content, is kept. */
const COMPILED = join(ROOT, 'node_modules/.cache/compiled')

/** A test that takes this long has hung. */
const HUNG_MS = 600_000
const SLOWEST = 10

type Summary = EventData.TestSummary

function testFiles(wanted: readonly string[]): string[] {
  return ORDER.flatMap((name) => {
    const path = join(import.meta.dirname, name)
    if (name.endsWith('.test.ts')) return [path]
    if (!existsSync(path)) return []
    return readdirSync(path, { recursive: true, encoding: 'utf8' })
      .map((file) => join(path, file))
      .sort()
  }).filter((path) => {
    const file = relative(ROOT, path)
    return file.endsWith('.test.ts') && (wanted.length === 0 || wanted.some((prefix) => file.startsWith(join(prefix))))
  })
}

function sayRuntimes(): void {
  const missing = RUNTIMES.filter((name) => findProgram(name) === undefined)
  const note = missing.length === 0 ? 'all installed' : `not installed, their tests are skipped: ${missing.join(', ')}`
  process.stdout.write(`container runtimes: ${note}\n`)
}

/** Runs the files, passing node's report on. Returns the summaries of the files and, last, of them all. */
async function runFiles(files: string[]): Promise<Summary[]> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const summaries: Summary[] = []
  const events = run({ files, concurrency: FILES_AT_ONCE, timeout: HUNG_MS, signal: stop.signal })
  events.on('test:summary', (summary) => summaries.push(summary))
  for await (const text of events.compose(new spec())) process.stdout.write(text)
  return summaries
}

/** For whoever adds to them: what the whole takes is the CPU time by the cores, and at least the slowest file. */
function saySlowest(summaries: readonly Summary[]): void {
  const ofFiles = summaries.filter(({ file }) => file !== undefined)
  const slowest = ofFiles.toSorted((a, b) => b.duration_ms - a.duration_ms).slice(0, SLOWEST)
  process.stdout.write(`\nslowest of ${ofFiles.length} files, ${FILES_AT_ONCE} at once\n`)
  for (const { file = '', duration_ms: ms } of slowest) {
    process.stdout.write(`${(ms / 1000).toFixed(1).padStart(7)} s  ${relative(ROOT, file)}\n`)
  }
}

/** After a failure, node lists the failed tests below its own summary: the counts come last here in every case. */
function saySummary({ counts, duration_ms: ms }: Summary): void {
  const { tests, suites, passed, cancelled, skipped, todo } = counts
  const fail = tests - passed - cancelled - skipped - todo
  const lines = { tests, suites, pass: passed, fail, cancelled, skipped, todo, duration_ms: ms }
  process.stdout.write('\n')
  for (const [key, value] of Object.entries(lines)) process.stdout.write(`ℹ ${key} ${value}\n`)
}

const wanted = process.argv.slice(2)
const files = testFiles(wanted)
if (files.length === 0) {
  process.stderr.write(`no test file matches ${wanted.join(' ')}\n`)
  process.exit(1)
}
if (files.some((file) => file.includes('/test/runtime/'))) sayRuntimes()
process.chdir(ROOT)
process.env.NODE_COMPILE_CACHE ??= COMPILED
/** Where tests leave for each other what takes long to make (test/support/built-package.ts). */
const shared = mkdtempSync(join(tmpdir(), 'shoal-tests-'))
process.env.TESTS_SHARE = shared
try {
  const summaries = await runFiles(files)
  const whole = summaries.at(-1)
  if (files.length > 1) saySlowest(summaries)
  if (whole !== undefined) saySummary(whole)
  if (whole?.success !== true) process.exitCode = 1
} finally {
  rmSync(shared, { recursive: true, force: true })
}
