import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fitText } from '../../../src/cli/fit-text.ts'
import { barText } from '../../../src/cli/prewarm-text.ts'
import { loadProgram, runProgram } from '../../../src/cli/program.ts'
import { prewarmViewSchema } from '../../../src/prewarm/index.ts'
import { TextSink } from '../../support/run-command.ts'
import { specOf } from '../prewarm/fixtures.ts'

function widest(text: string): number {
  return Math.max(...text.split('\n').map((line) => line.length))
}

describe('text for a terminal', () => {
  it('is broken between cells, and goes on below', () => {
    const table =
      'DIGEST               STATE    DONE  SIZE   RATE     FROM\nsha256:abababababab  running  25%   8 MiB  3 MiB/s  peer 1 MiB, home 1 MiB'
    assert.equal(
      fitText(table, 50),
      'DIGEST               STATE    DONE  SIZE   RATE\n  FROM\nsha256:abababababab  running  25%   8 MiB  3 MiB/s\n  peer 1 MiB, home 1 MiB',
    )
  })

  it('has a long cell broken between words, under its own beginning', () => {
    assert.equal(
      fitText('Tier       up: 10.0.0.2:7071 linked, 10.0.0.3:7071 down', 40),
      'Tier       up: 10.0.0.2:7071 linked,\n           10.0.0.3:7071 down',
    )
  })

  it('is left alone where it fits, where a word is too long, and where there is no terminal', () => {
    const long = 'x'.repeat(70)
    for (const [text, columns] of [
      ['short', 60],
      [long, 60],
      [`${long} y`, undefined],
    ] as const) {
      assert.equal(fitText(text, columns), text)
    }
  })
})

it('the help of every command fits 60 columns', async () => {
  const sinks = { stdout: Object.assign(new TextSink(), { columns: 60 }), stderr: new TextSink() }
  const io = { ...sinks, env: {}, signal: new AbortController().signal, setExitCode() {} }
  const { commands } = await loadProgram(io)
  for (const command of commands) {
    for (const names of [[command.name()], ...command.commands.map((sub) => [command.name(), sub.name()])]) {
      sinks.stdout.text = ''
      assert.equal(await runProgram([...names, '--help'], io), 0)
      const wide = sinks.stdout.text.split('\n').filter((line) => line.length > 60)
      assert.deepEqual(
        wide.filter((line) => line.trim().includes(' ')),
        [],
        names.join(' '),
      )
    }
  }
})

it('the line beside the bar of a prewarm says what is left even in 60 columns', () => {
  const counts = { waiting: 0, moving: 1, loading: 0, ready: 5, failed: 0, skipped: 0, total: 6 }
  const job = prewarmViewSchema.parse({
    id: 'job-00001',
    state: 'running',
    reason: null,
    images: [],
    hosts: counts,
    bytes: { perHost: 61e6, total: 366e6, have: 7.5e6, moved: 7.5e6, origin: 61e6 },
    bytesPerSec: 20e6,
    etaSeconds: 25,
    seconds: 3,
    createdEpochMs: 0,
    endedEpochMs: null,
    wave: { number: 1, of: 3, open: 6 },
    regions: [],
    reasons: [],
    absent: [],
    spec: specOf(),
    revision: 1,
  })
  assert.equal(barText(job, 44), 'running 5/6 ready, 25s left, 19.1 MiB/s')
  assert.ok(widest(barText(job, 44)) <= 44)
  assert.match(barText(job, 100), /wave 1\/3, 7\.15 MiB of 349 MiB$/)
})
