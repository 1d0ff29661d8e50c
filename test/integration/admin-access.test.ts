import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmod, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { AdminRoute } from '../../src/admin/access.ts'
import { ROUTE_ACCESS } from '../../src/admin/access.ts'
import type { AdminServerOptions } from '../../src/admin/index.ts'
import { AdminServer } from '../../src/admin/index.ts'
import { isShoalError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/log.ts'
import { PrometheusRegistry } from '../../src/node/index.ts'
import { ADMIN_HEADERS, adminOptions, MemoryAdminSource, quietEntrances } from '../support/admin-source.ts'
import { AgentProcess } from '../support/agent-process.ts'
import { runCommand } from '../support/run-command.ts'
import { TempDir } from '../support/temp-dir.ts'

const NOBODY = 65_534
const NEEDS_ROOT = { skip: process.getuid?.() === 0 ? false : 'only root can be another user' }

/** Who gets an answer on loopback without anything to show: everybody, this host's own, or who knows a rule's secret. */
const MATRIX: Readonly<Record<AdminRoute, 'everybody' | 'own' | 'secret'>> = {
  'GET /': 'everybody',
  'GET /page/:file': 'everybody',
  'GET /api/v1/page/events': 'everybody',
  'POST /api/v1/page/links': 'own',
  'POST /api/v1/page/keys': 'everybody',
  'GET /healthz': 'everybody',
  'GET /readyz': 'everybody',
  'GET /metrics': 'everybody',
  'GET /api/v1/status': 'everybody',
  'GET /api/v1/transfers': 'everybody',
  'GET /api/v1/logs': 'everybody',
  'GET /api/v1/limits': 'everybody',
  'GET /api/v1/blobs': 'own',
  'GET /api/v1/peers': 'own',
  'PATCH /api/v1/limits': 'own',
  'POST /api/v1/invalidate': 'own',
  'GET /api/v1/purge': 'own',
  'GET /api/v1/purge/:id': 'own',
  'POST /api/v1/purge': 'own',
  'GET /api/v1/events': 'own',
  'GET /api/v1/why': 'own',
  'PATCH /api/v1/logs': 'own',
  'GET /api/v1/pins': 'own',
  'POST /api/v1/pins': 'own',
  'DELETE /api/v1/pins': 'own',
  'GET /api/v1/verify': 'own',
  'POST /api/v1/verify': 'own',
  'DELETE /api/v1/verify': 'own',
  'GET /api/v1/prewarm/schedules': 'own',
  'POST /api/v1/prewarm/schedules': 'own',
  'DELETE /api/v1/prewarm/schedules/:id': 'own',
  'GET /api/v1/prewarm': 'own',
  'POST /api/v1/prewarm': 'own',
  'GET /api/v1/prewarm/gate': 'own',
  'GET /api/v1/prewarm/:id': 'own',
  'PATCH /api/v1/prewarm/:id': 'own',
  'DELETE /api/v1/prewarm/:id': 'own',
  'GET /api/v1/prewarm/:id/hosts': 'own',
  'GET /api/v1/prewarm/:id/events': 'own',
  'POST /hooks/:source': 'secret',
  'POST /hooks/:source/:secret': 'secret',
}

/** Probes, and the page without anything in it: neither tells anything. */
const OPEN_EVERYWHERE: ReadonlySet<AdminRoute> = new Set([
  'GET /healthz',
  'GET /readyz',
  'GET /',
  'GET /page/:file',
  'POST /api/v1/page/keys',
])

interface Caller {
  readonly name: string
  readonly headers: Record<string, string>
  readonly overSocket: boolean
  /** Gets an answer where this host's own do. */
  readonly isOwn: boolean
}

const CALLERS: readonly Caller[] = [
  { name: 'the socket', headers: {}, overSocket: true, isOwn: true },
  { name: 'the socket under a foreign Host', headers: { host: 'evil.example' }, overSocket: true, isOwn: true },
  { name: 'the token', headers: ADMIN_HEADERS, overSocket: false, isOwn: true },
  { name: 'no token', headers: {}, overSocket: false, isOwn: false },
  { name: 'a wrong token', headers: { authorization: 'Bearer 0123456789abcdef0124' }, overSocket: false, isOwn: false },
]

async function openServer(options: Partial<AdminServerOptions> = {}) {
  const dir = await TempDir.make()
  const socket = join(dir.path, 'admin.sock')
  const deps = { source: new MemoryAdminSource(), metrics: new PrometheusRegistry(), logger: silentLogger }
  const server = await AdminServer.start({ ...deps, ...quietEntrances() }, adminOptions({ socket, ...options }))
  const close = async (): Promise<void> => {
    await server[Symbol.asyncDispose]()
    await dir[Symbol.asyncDispose]()
  }
  return { server, dir, socket, port: server.address.port, [Symbol.asyncDispose]: close }
}

/** The status of one request, and whether it was refused for who asks. */
function ask(
  to: { readonly socket: string; readonly port: number },
  route: AdminRoute,
  { headers, overSocket }: Caller,
): Promise<{ status: number; refused: boolean }> {
  const [method = 'GET', pattern = '/'] = route.split(' ')
  const path = pattern
    .replace(':id', 'job-00001')
    .replace(':source', 'harbor')
    .replace(':secret', 'guess')
    .replace(':file', 'main.js')
  const place = overSocket ? { socketPath: to.socket } : { host: '127.0.0.1', port: to.port }
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...place, method, path, headers: { host: 'localhost', ...headers } }, (response) => {
      const { statusCode: status = 0 } = response
      // some answers have no end
      response.destroy()
      resolve({ status, refused: status === 401 || status === 403 })
    })
    outgoing.once('error', reject).end()
  })
}

describe('the admin server on loopback', () => {
  it('answers each route for those that it is for, whoever asks and however', async () => {
    await using opened = await openServer()
    assert.deepEqual(Object.keys(ROUTE_ACCESS).sort(), Object.keys(MATRIX).sort())
    for (const [route, who] of Object.entries(MATRIX) as [AdminRoute, (typeof MATRIX)[AdminRoute]][]) {
      for (const caller of CALLERS) {
        const { status, refused } = await ask(opened, route, caller)
        const what = `${route} with ${caller.name}: ${status}`
        // no rule is configured: whoever asks hears that there is none
        if (who === 'secret') assert.equal(status, 404, what)
        else assert.equal(refused, who === 'own' && !caller.isOwn, what)
      }
    }
  })

  it('wants the token for all but the probes and the bare page where the operator has named its file', async () => {
    await using opened = await openServer({ isClosed: true })
    const [socket, , token, none, wrong] = CALLERS
    for (const [route, who] of Object.entries(MATRIX) as [AdminRoute, (typeof MATRIX)[AdminRoute]][]) {
      if (who === 'secret') continue
      const isProbe = OPEN_EVERYWHERE.has(route)
      for (const caller of [socket!, token!]) assert.equal((await ask(opened, route, caller)).refused, false, route)
      for (const caller of [none!, wrong!]) assert.equal((await ask(opened, route, caller)).refused, !isProbe, route)
    }
  })
})

describe('the admin socket', () => {
  it("is for root and the agent's own user, and gone when the agent is", async () => {
    const opened = await openServer()
    assert.equal((await stat(opened.socket)).mode & 0o777, 0o600)
    await opened.server[Symbol.asyncDispose]()
    await assert.rejects(stat(opened.socket))
    await opened[Symbol.asyncDispose]()
  })

  it('takes the place of one that a killed agent has left', async () => {
    await using dir = await TempDir.make()
    const socket = join(dir.path, 'admin.sock')
    const script = `require('node:net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`
    const child = spawn(process.execPath, ['-e', script])
    await new Promise((resolve) => child.once('exit', resolve))
    assert.equal((await stat(socket)).isSocket(), true)
    await using opened = await openServer({ socket, needsSocket: true })
    assert.equal((await ask({ socket, port: opened.port }, 'GET /api/v1/blobs', CALLERS[0]!)).status, 200)
  })

  it('takes the place of nothing else: a file, a link, a socket that somebody serves', async () => {
    await using dir = await TempDir.make()
    const [file, link, served] = ['file', 'link', 'served'].map((name) => join(dir.path, name)) as [
      string,
      string,
      string,
    ]
    await writeFile(file, 'precious')
    await symlink(file, link)
    const other = createServer().listen(served)
    await new Promise((resolve) => other.once('listening', resolve))
    for (const socket of [file, link, served, join(dir.path, 'n'.repeat(120))]) {
      await assert.rejects(
        openServer({ socket, needsSocket: true }),
        (error) => isShoalError(error, 'CONFIG_INVALID') && error.message.includes('admin.socket'),
        socket,
      )
      // one that nobody has named is done without
      await using opened = await openServer({ socket, needsSocket: false })
      assert.equal((await ask({ socket, port: opened.port }, 'GET /healthz', CALLERS[3]!)).status, 200)
    }
    other.close()
  })
})

describe('a user of the host', () => {
  it(
    'who is root or the agent itself needs no flag and no token; another is told what is missing',
    NEEDS_ROOT,
    async () => {
      await using dir = await TempDir.make()
      await chmod(dir.path, 0o755)
      const storeDir = join(dir.path, '.shoal')
      await using agent = new AgentProcess(dir.path)
      const { admin } = await agent.ready
      const url = `http://${admin}`
      const token = await stat(join(storeDir, 'admin.token'))
      assert.equal(token.mode & 0o777, 0o600)
      const own = await runCommand(['pin', '--list', '--admin', url])
      assert.deepEqual([own.code, own.stdout], [0, 'nothing is pinned\n'], own.stderr)
      const env = { SHOAL_STORE_PATH: storeDir, SHOAL_ADMIN_LISTEN: admin }
      assert.equal((await runCommand(['pin', '--list'], undefined, env)).code, 0)
      const asNobody = (script: string): Promise<string> => stdoutOf(['-e', script], NOBODY)
      const write = `fetch('${url}/api/v1/limits', { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"upload":1}' })`
      const refused = JSON.parse(await asNobody(`${write}.then((r) => r.text()).then(console.log)`)) as {
        error: { code: string; message: string }
      }
      assert.equal(refused.error.code, 'TOKEN_REQUIRED')
      assert.match(refused.error.message, /root and .*admin\.token.*admin\.sock/)
      assert.equal(await asNobody(`fetch('${url}/healthz').then((r) => console.log(r.status))`), '200\n')
      const socket = join(storeDir, 'admin.sock')
      const connect = `require('node:net').connect(${JSON.stringify(socket)}).once('connect', () => console.log('in')).once('error', (e) => console.log(e.code))`
      assert.equal(await asNobody(connect), 'EACCES\n')
    },
  )
})

function stdoutOf(args: readonly string[], uid: number): Promise<string> {
  const child = spawn(process.execPath, args, { uid, gid: uid, cwd: '/' })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += String(chunk)
  })
  return new Promise((resolve, reject) => child.once('error', reject).once('close', () => resolve(text)))
}
