import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { FreePorts, ManagedProcess, MetricsSnapshot } from '../../../src/demo/index.ts'
import { eventually } from '../../support/eventually.ts'

function script(code: string): Promise<ManagedProcess> {
  return ManagedProcess.start({ name: 'child', command: process.execPath, args: ['-e', code] })
}

const FOREVER = 'setInterval(() => {}, 1000); console.log("up")'

test('keeps the tail of both output streams', async () => {
  await using child = await script('console.log("one"); console.error("two")')
  assert.equal(await child.exited, 'exit code 0')
  assert.deepEqual(child.logTail().split('\n').sort(), ['one', 'two'])
})

test('waits for a line and hands out what was read of it', async () => {
  await using child = await script('console.log("noise"); console.log("port 17")')
  const found = await child.waitForLine('port', (line) => /port (?<port>\d+)/.exec(line)?.groups)
  assert.equal(found.port, '17')
})

test('a wait fails with the log when the process ends first', async () => {
  await using child = await script('console.error("no such luck"); process.exitCode = 3')
  await assert.rejects(
    child.waitUntil('ready', async () => false),
    /child .*ended \(exit code 3\) before ready[\s\S]*no such luck/,
  )
})

test('ends the process when disposed, twice if asked twice', async () => {
  const child = await script(FOREVER)
  await child.waitForLine('up', (line) => (line === 'up' ? {} : undefined))
  await child[Symbol.asyncDispose]()
  assert.equal(await child.exited, 'signal SIGTERM')
  await child[Symbol.asyncDispose]()
})

test('ends a stopped process too', async () => {
  const child = await script(FOREVER)
  await child.waitForLine('up', (line) => (line === 'up' ? {} : undefined))
  child.signal('SIGSTOP')
  assert.equal(await child.stop(), 'signal SIGTERM')
})

test('a child does not outlive a parent that was killed', async () => {
  const url = new URL('../../../src/demo/index.ts', import.meta.url)
  const parent = await script(`
    const { ManagedProcess } = await import(${JSON.stringify(url.href)})
    const child = await ManagedProcess.start({ name: 'c', command: process.execPath, args: ['-e', ${JSON.stringify(FOREVER)}] })
    await child.waitForLine('up', (line) => line === 'up' ? {} : undefined)
    console.log('child ' + child.pid)
    setInterval(() => {}, 1000)
  `)
  const found = await parent.waitForLine('pid', (line) => /child (?<pid>\d+)/.exec(line)?.groups)
  await parent.kill('SIGKILL')
  await eventually('the child is gone', () => !isAlive(Number(found.pid)))
})

test('does not hand its own SHOAL_ settings to children', async () => {
  process.env.SHOAL_MIRROR_LISTEN = '127.0.0.1:1'
  try {
    await using child = await script('console.log(String(process.env.SHOAL_MIRROR_LISTEN))')
    await child.exited
    assert.equal(child.logTail(), 'undefined')
  } finally {
    delete process.env.SHOAL_MIRROR_LISTEN
  }
})

test('a program that cannot run is an error', async () => {
  const child = ManagedProcess.start({ name: 'none', command: '/nonexistent/program', args: [] })
  await assert.rejects(
    child.then((started) => started.waitUntil('ready', async () => false)),
    /none|nonexistent/,
  )
})

test('free ports are free, and never handed out twice', async () => {
  const ports = new FreePorts()
  const taken = [await ports.take(), await ports.take(), await ports.take()]
  assert.equal(new Set(taken).size, 3)
  const server = createServer().listen(taken[0], '127.0.0.1')
  await once(server, 'listening')
  assert.equal((server.address() as AddressInfo).port, taken[0])
  server.close()
})

test('metrics are summed by label', () => {
  const metrics = new MetricsSnapshot(
    [
      '# HELP a b',
      'a_total{from="peer",x="1"} 3',
      'a_total{from="peer",x="2"} 4',
      'a_total{from="home"} 1',
      'b 1.5e3',
    ].join('\n'),
  )
  assert.equal(metrics.sum('a_total', { from: 'peer' }), 7)
  assert.equal(metrics.sum('a_total'), 8)
  assert.equal(metrics.sum('b'), 1500)
  assert.equal(metrics.sum('c'), 0)
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
