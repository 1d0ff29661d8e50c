/**
 * Compares the packages of package-lock.json with the advisories that their registry knows (`npm run audit`), and those
 * with `kept.json`: advisories that do no harm here, each with the reason. Fails on any other. A registry that offers no
 * advisories, as many mirrors of one do, is said, and is no failure.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseJson } from '../../src/base/json.ts'
import { judge, keptSchema } from './judge.ts'

const MOST_MS = 120_000

const kept = keptSchema.parse(JSON.parse(readFileSync(join(import.meta.dirname, 'kept.json'), 'utf8')))
// it ends with 1 where there are advisories, and where it failed
const { stdout } = spawnSync('npm', ['audit', '--json'], {
  cwd: join(import.meta.dirname, '../..'),
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
  timeout: MOST_MS,
})
const verdict = judge(parseJson(stdout), kept)
if ('notOffered' in verdict) {
  process.stdout.write(
    `NOT COMPARED with known advisories, which this registry does not offer: ${verdict.notOffered}\n`,
  )
} else {
  for (const problem of verdict.problems) process.stdout.write(`! ${problem}\n`)
  if (verdict.problems.length > 0) process.exitCode = 1
  else process.stdout.write(`no advisory but the ${Object.keys(kept).length} that are kept\n`)
}
