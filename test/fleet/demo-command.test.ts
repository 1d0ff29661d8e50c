import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually } from '../support/eventually.ts'
import { TempDir } from '../support/temp-dir.ts'

const PROGRAM = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Everything a demo writes goes below `temp`, so that what it leaves behind is seen. */
function startDemo(temp: TempDir, ...args: readonly string[]) {
  const env = { ...process.env, TMPDIR: temp.path }
  return spawn(process.execPath, [PROGRAM, 'demo', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
}

test('the demo delivers one image to every host for one copy from the origin, and leaves nothing behind', async () => {
  await using temp = await TempDir.make()
  const demo = startDemo(temp, '--hosts', '3', '--size', '24MiB', '--layers', '2', '--json')
  const [stdout, stderr, [code]] = await Promise.all([text(demo.stdout), text(demo.stderr), once(demo, 'close')])
  assert.equal(code, 0, stderr)
  const { hosts, bytes, seconds, mibPerSecond, received, originBytes, originRatio, originRequests, verified } =
    JSON.parse(stdout)
  assert.deepEqual([hosts, verified], [3, true])
  assert.ok(bytes > 23 * 1024 * 1024 && bytes < 25 * 1024 * 1024)
  assert.ok(seconds.p50 > 0 && seconds.last >= seconds.p50 && mibPerSecond > 0)
  assert.ok(originRatio >= 1 && originRatio <= 1.05, `origin ratio ${originRatio}`)
  assert.equal(originBytes, Math.round(originRatio * bytes))
  assert.ok(originRequests > 0)
  assert.ok(
    received.origin >= bytes * 0.99 && received.peer + received.home >= 3 * bytes * 0.99,
    JSON.stringify(received),
  )
  assert.deepEqual(await readdir(temp.path), [])
})

test('a kept demo says first where its page is, and Ctrl-C ends all of it', async () => {
  await using temp = await TempDir.make()
  const demo = startDemo(temp, '--hosts', '2', '--size', '4MiB', '--keep')
  let stderr = ''
  demo.stderr.setEncoding('utf8').on('data', (chunk) => {
    stderr += chunk
  })
  await eventually('the link of its page is shown', () => /^watch it: http:\S+\n/m.test(stderr))
  assert.doesNotMatch(stderr.slice(0, stderr.indexOf('watch it')), /image/)
  const [, page = ''] = /^watch it: (http:\S+)\n/m.exec(stderr) ?? []
  assert.match(await (await fetch(page)).text(), /<title>Shoal<\/title>/)
  await eventually('things to try are shown', () => stderr.includes('registry-mirrors'), 60_000)
  const [, mirror] = /--mirror (http:\S+)/.exec(stderr) ?? []
  assert.equal((await fetch(`${mirror}/v2/`)).status, 200)
  demo.kill('SIGINT')
  const [code] = await once(demo, 'close')
  assert.equal(code, 0, stderr)
  await assert.rejects(fetch(`${mirror}/v2/`))
  assert.deepEqual(await readdir(temp.path), [])
})
