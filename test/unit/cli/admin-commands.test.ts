import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { AdminServer } from '../../../src/admin/index.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { runProgram } from '../../../src/cli/index.ts'
import { PrometheusRegistry } from '../../../src/node/index.ts'
import {
  adminOptions,
  MemoryAdminSource,
  quietEntrances,
  SAMPLE_DIGEST,
  SAMPLE_STATUS,
  SAMPLE_TRANSFER,
} from '../../support/admin-source.ts'
import { runCommand, TextSink } from '../../support/run-command.ts'
import { TempDir } from '../../support/temp-dir.ts'

const TOKEN = 'a-token-of-enough-length'

/** Where the operator has named a token file, when `token` is given. */
async function openAdmin(token?: string) {
  const source = new MemoryAdminSource()
  const deps = { source, metrics: new PrometheusRegistry(), logger: silentLogger, ...quietEntrances() }
  const dir = await TempDir.make()
  const socket = join(dir.path, 'admin.sock')
  const local = token === undefined ? { socket } : { token, isClosed: true }
  const server = await AdminServer.start(deps, adminOptions(local))
  const admin = ['--admin', `http://127.0.0.1:${server.address.port}`]
  const close = async (): Promise<void> => {
    await server[Symbol.asyncDispose]()
    await dir[Symbol.asyncDispose]()
  }
  return { server, source, admin, [Symbol.asyncDispose]: close }
}

describe('shoal status', () => {
  it('shows a host and its transfers for eyes', async () => {
    await using opened = await openAdmin()
    const { code, stdout, stderr } = await runCommand(['status', ...opened.admin])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^Host +agent in region eu-1, zone a; shoal 1\.2\.3, up 1h$/m)
    assert.match(stdout, /^OPEN FILES +64 at most /m)
    assert.match(stdout, /^Tier +up: 10\.0\.0\.2:7071 linked; parent eu-core: 10\.1\.0\.2:7071 down$/m)
    assert.match(stdout, /^Store +32 MiB of 100 MiB \(2 MiB in partials, 1 MiB pinned\)$/m)
    assert.match(stdout, /^Received +peer 20 MiB, home 10 MiB$/m)
    assert.match(stdout, /^DIGEST +STATE +DONE +SIZE +RATE +ETA +PEERS +FROM$/m)
    assert.match(stdout, /^sha256:abababababab +running +25% +8 MiB +3 MiB\/s +2s +4 +peer 1 MiB, home 1 MiB$/m)
  })

  it('fits a terminal of 60 columns, and is watched in it', async () => {
    await using opened = await openAdmin()
    const stop = new AbortController()
    const stdout = Object.assign(new TextSink(), { columns: 60, isTTY: true })
    const io = { stdout, stderr: new TextSink(), env: {}, signal: stop.signal, setExitCode() {} }
    assert.equal(await runProgram(['status', ...opened.admin], io), 0)
    const lines = stdout.text.split('\n')
    const tooLong = lines.filter((line) => line.length > 60)
    assert.deepEqual(tooLong, [])
    assert.match(stdout.text, /^Tier +up: 10\.0\.0\.2:7071 linked; parent eu-core:\n +10\.1\.0\.2:7071 down$/m)
    assert.match(stdout.text, /^DIGEST +STATE +DONE +SIZE +RATE +ETA\n +PEERS +FROM$/m)
    stdout.text = ''
    const watching = runProgram(['status', '--watch', ...opened.admin], io)
    stdout.once('text', () => stdout.once('text', () => stop.abort()))
    assert.equal(await watching, 0)
    // cursor home, clear to the end, and the same lines
    assert.equal(stripVTControlCharacters(stdout.text), lines.join('\n'))
  })

  it('prints one JSON object for scripts', async () => {
    await using opened = await openAdmin()
    const { stdout } = await runCommand(['status', '--json', ...opened.admin])
    assert.deepEqual(JSON.parse(stdout), { ...SAMPLE_STATUS, transfers: [SAMPLE_TRANSFER] })
  })

  it('watches until it is interrupted, which is no failure', async () => {
    await using opened = await openAdmin()
    const interruption = new AbortController()
    const stdout = new TextSink()
    const stderr = new TextSink()
    const args = ['status', '--watch', '--json', ...opened.admin]
    const io = { stdout, stderr, env: {}, signal: interruption.signal, setExitCode() {} }
    const running = runProgram(args, io)
    while (stdout.text.split('\n').length < 3) await once(stdout, 'text')
    interruption.abort(new DOMException('interrupted', 'AbortError'))
    assert.equal(await running, 0, stderr.text)
    const lines = stdout.text.trim().split('\n')
    assert.ok(lines.length >= 2)
    for (const line of lines) assert.equal(JSON.parse(line).peerId, SAMPLE_STATUS.peerId)
  })
})

describe('shoal peers, blobs and limits', () => {
  it('show who is linked and what is stored, for eyes and for scripts', async () => {
    await using opened = await openAdmin()
    const [peer] = opened.source.peers()
    const [blob] = opened.source.blobs()
    assert.ok(peer && blob)
    assert.match((await runCommand(['peers', ...opened.admin])).stdout, new RegExp(`${peer.role} .*${peer.key}`))
    assert.deepEqual(JSON.parse((await runCommand(['peers', '--json', ...opened.admin])).stdout), [peer])
    assert.match((await runCommand(['blobs', ...opened.admin])).stdout, new RegExp(`^${blob.digest} `, 'm'))
    assert.deepEqual(JSON.parse((await runCommand(['blobs', '--json', ...opened.admin])).stdout), [blob])
  })

  it('limits change by rates as people write them, and only those that are given', async () => {
    await using opened = await openAdmin()
    assert.match((await runCommand(['limits', ...opened.admin])).stdout, /^upload +no limit /m)
    const { stdout } = await runCommand(['limits', '--upload', '5MiB', '--json', ...opened.admin])
    assert.deepEqual(JSON.parse(stdout), { upload: 5 * 1024 * 1024, download: 0, origin: 0, prewarm: 0 })
    assert.match((await runCommand(['limits', ...opened.admin])).stdout, /^upload +5 MiB\/s /m)
    assert.match((await runCommand(['limits', '--upload', '0', ...opened.admin])).stdout, /^upload +no limit /m)
  })

  it('a limit that is no rate changes nothing', async () => {
    await using opened = await openAdmin()
    const { code, stderr } = await runCommand(['limits', '--origin', 'fast', '--upload', '1MiB', ...opened.admin])
    assert.deepEqual([code, opened.source.limits().upload], [2, 0])
    assert.match(stderr, /--origin fast: no rate such as 100MiB/)
  })
})

describe('shoal transfers', () => {
  it('shows what runs, or that nothing does', async () => {
    await using opened = await openAdmin()
    assert.match((await runCommand(['transfers', ...opened.admin])).stdout, /sha256:abababababab +running/)
    assert.deepEqual(JSON.parse((await runCommand(['transfers', '--json', ...opened.admin])).stdout), [SAMPLE_TRANSFER])
    opened.source.currentTransfers = []
    assert.equal((await runCommand(['transfers', ...opened.admin])).stdout, 'no transfer is running\n')
  })
})

describe('shoal invalidate', () => {
  it('says which digest was forgotten', async () => {
    await using opened = await openAdmin()
    const { code, stdout } = await runCommand(['invalidate', 'quay.io/a/b:1', ...opened.admin])
    assert.equal(code, 0)
    assert.equal(stdout, `quay.io/a/b:1: forgotten, was ${SAMPLE_DIGEST}\n`)
    assert.deepEqual(opened.source.invalidated, ['quay.io/a/b:1'])
    const cold = await runCommand(['invalidate', 'quay.io/a/b:cold', '--json', ...opened.admin])
    assert.deepEqual(JSON.parse(cold.stdout), { reference: 'quay.io/a/b:cold', digest: null, everywhere: true })
  })

  it('refuses what is no reference without asking anybody (2), and passes on what the agent refuses (1)', async () => {
    await using opened = await openAdmin()
    const wrong = await runCommand(['invalidate', 'Not A Reference', '--admin', 'http://127.0.0.1:1'])
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /^shoal: "Not A Reference": .*\n$/)
    const refused = await runCommand(['invalidate', `a@${SAMPLE_DIGEST}`, ...opened.admin])
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /^shoal: .*admin\.sock: nobody there\n$/)
  })
})

describe('a command that talks to an agent', () => {
  it('says where it found none, and how to start one', async () => {
    const { server, admin } = await openAdmin()
    await server[Symbol.asyncDispose]()
    const { code, stderr } = await runCommand(['status', ...admin])
    assert.equal(code, 1)
    assert.match(
      stderr,
      /^shoal: no agent answers at http:\/\/127\.0\.0\.1:\d+ \(connection refused\); start one with "shoal agent", or name another with --admin\n$/,
    )
  })

  it('shows the token of --token-file, and asks for it when it is missing or wrong', async () => {
    await using dir = await TempDir.make()
    await using opened = await openAdmin(TOKEN)
    const [right, wrong, short] = [join(dir.path, 'right'), join(dir.path, 'wrong'), join(dir.path, 'short')]
    await writeFile(right, `${TOKEN}\n`)
    await writeFile(wrong, `${TOKEN}x`)
    await writeFile(short, 'short')
    assert.equal((await runCommand(['status', ...opened.admin, '--token-file', right])).code, 0)
    for (const args of [[], ['--token-file', wrong], ['--token-file', short], ['--token-file', '/nonexistent']]) {
      const { code, stderr } = await runCommand(['status', ...opened.admin, ...args])
      assert.equal(code, 2, stderr)
      assert.match(stderr, /^shoal: .*token.*\n$/)
      assert.doesNotMatch(stderr, /a-token-of/)
    }
  })

  it('says so when --admin is no URL, or no admin server', async () => {
    assert.equal((await runCommand(['status', '--admin', '127.0.0.1:7072'])).code, 2)
    const server = createServer((_request, response) => void response.end('<html>'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const { code, stderr } = await runCommand(['status', '--admin', `http://127.0.0.1:${port}`])
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    assert.equal(code, 1)
    assert.match(stderr, /is no admin server/)
  })
})
