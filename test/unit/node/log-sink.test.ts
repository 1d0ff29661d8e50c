import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { LogSink } from '../../../src/node/log-sink.ts'
import { eventually } from '../../support/eventually.ts'
import { tempDir } from '../../support/temp-dir.ts'

const LINE = `${'x'.repeat(1023)}\n`
/** More than a pipe (64 KiB) and the queue (1 MiB) hold together. */
const TOO_MANY = 2_000

/** A pipe as a service manager hands it over: the writing end blocks. */
async function pipe(t: TestContext): Promise<{ read: number; write: number }> {
  const path = join(await tempDir(t), 'log')
  execFileSync('mkfifo', [path])
  const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const write = openSync(path, constants.O_WRONLY)
  t.after(() => closeSync(write))
  return { read, write }
}

function readAll(fd: number): string {
  const parts: Buffer[] = []
  const buffer = Buffer.alloc(65_536)
  for (;;) {
    try {
      const bytes = readSync(fd, buffer)
      if (bytes === 0) break
      parts.push(Buffer.from(buffer.subarray(0, bytes)))
    } catch {
      break
    }
  }
  return Buffer.concat(parts).toString()
}

describe('where log lines go', () => {
  it('a reader that stalls costs lines, not time; what it gets afterwards is whole lines, and how many it missed', async (t) => {
    const { read, write } = await pipe(t)
    using sink = new LogSink(write)
    const resumed: number[] = []
    sink.onResumed = (dropped) => resumed.push(dropped)
    for (let i = 0; i < TOO_MANY; i++) sink.write(LINE)
    assert.ok(sink.dropped > 0, 'dropped')
    let seen = ''
    await eventually('all that was not dropped has come', () => {
      seen += readAll(read)
      return seen.length === (TOO_MANY - sink.dropped) * LINE.length
    })
    assert.equal(seen.replaceAll(LINE, ''), '')
    assert.deepEqual(resumed, [sink.dropped])
    closeSync(read)
  })

  it('a reader that has gone costs lines', async (t) => {
    const { read, write } = await pipe(t)
    using before = new LogSink(write)
    closeSync(read)
    using after = new LogSink(write)
    for (const sink of [before, after]) {
      sink.write(LINE)
      await sink.flush(60_000)
      assert.equal(sink.dropped, 1)
    }
  })

  it('a full disk costs lines', async (t) => {
    const full = openSync('/dev/full', 'w')
    t.after(() => closeSync(full))
    using sink = new LogSink(full)
    sink.write(LINE)
    await sink.flush(60_000)
    assert.equal(sink.dropped, 1)
  })

  it('in a file, every line is there in its order once it is flushed', async (t) => {
    const path = join(await tempDir(t), 'log')
    const file = openSync(path, 'a')
    t.after(() => closeSync(file))
    using sink = new LogSink(file)
    const lines = Array.from({ length: 500 }, (_, i) => `line ${i}\n`)
    for (const line of lines) sink.write(line)
    await sink.flush(60_000)
    assert.equal(readFileSync(path, 'utf8'), lines.join(''))
  })
})
