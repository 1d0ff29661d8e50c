import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Command } from 'commander'
import { AdminServer } from '../../../src/admin/index.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { loadProgram } from '../../../src/cli/index.ts'
import { PrometheusRegistry } from '../../../src/node/index.ts'
import { adminOptions, MemoryAdminSource, quietEntrances } from '../../support/admin-source.ts'
import type { CommandResult } from '../../support/run-command.ts'
import { runCommand, TextSink } from '../../support/run-command.ts'
import { TempDir } from '../../support/temp-dir.ts'

const IMAGE = 'docker.io/library/web:v1'
const JOB = '0mx1zv368-aa90d62b7e'
/** What stands for each argument of a command. */
const ARGUMENTS: Readonly<Record<string, string>> = {
  reference: IMAGE,
  references: IMAGE,
  images: IMAGE,
  level: 'debug',
}
/** What a command wants besides. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  'prewarm edit': ['--priority', '1'],
  wait: ['--timeout', '0s'],
  doctor: ['--no-pull'],
}

interface AdminCommand {
  readonly name: string
  readonly words: readonly string[]
}

/** Every command that talks to an agent, as the program itself has them, so that a new one is among them. */
async function adminCommands(): Promise<AdminCommand[]> {
  const { signal } = new AbortController()
  const program = await loadProgram({
    stdout: new TextSink(),
    stderr: new TextSink(),
    env: {},
    signal,
    setExitCode() {},
  })
  const found: AdminCommand[] = []
  const walk = (command: Command, path: readonly string[]): void => {
    for (const sub of command.commands) walk(sub, [...path, sub.name()])
    if (!command.options.some(({ long }) => long === '--admin')) return
    const name = path.join(' ')
    const id = path[0] === 'purge' ? `p-${JOB}` : JOB
    const args = command.registeredArguments.map((argument) =>
      argument.name() === 'id' ? id : (ARGUMENTS[argument.name()] ?? ''),
    )
    found.push({ name, words: [...path, ...args.filter((word) => word !== ''), ...(OPTIONS[name] ?? [])] })
  }
  walk(program, [])
  return found
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port // a TCP server's is never a string
}

interface Fault {
  readonly options: readonly string[]
  readonly code: 1 | 2
  /** Cause and remedy, in one line. */
  readonly says: RegExp
}

/** Its line is the last one: a prewarm says before what may have begun. */
function assertPlain({ name }: AdminCommand, { code, stderr }: CommandResult, fault: Fault): void {
  assert.equal(code, fault.code, `shoal ${name}: ${stderr}`)
  const lines = stderr.trimEnd().split('\n')
  assert.match(lines.at(-1) ?? '', fault.says, `shoal ${name}`)
  assert.ok(lines.length <= 2, `shoal ${name}: ${stderr}`)
  assert.doesNotMatch(stderr, /\n {4}at |undefined|\[object|Error:|errno/, `shoal ${name}`)
}

describe('every command that asks an agent', () => {
  let dir: TempDir
  let closed: AdminServer
  const servers: Server[] = []
  const ports = { text: 0, none: 0, cut: 0, silent: 0 }

  before(async () => {
    dir = await TempDir.make()
    const deps = { source: new MemoryAdminSource(), metrics: new PrometheusRegistry(), logger: silentLogger }
    closed = await AdminServer.start({ ...deps, ...quietEntrances() }, adminOptions({ isClosed: true }))
    const sockets = new Set<{ destroy(): void }>()
    const web = [
      createServer((_, response) => response.end('<html>a login page</html>')),
      createServer((_, response) => response.writeHead(404).end('no')),
      createTcpServer((socket) => socket.destroy()),
      createServer(() => {}),
    ]
    for (const server of web) server.on('connection', (socket) => sockets.add(socket))
    servers.push(...web)
    const [text = 0, none = 0, cut = 0, silent = 0] = await Promise.all(web.map(listening))
    Object.assign(ports, { text, none, cut, silent })
    await mkdir(join(dir.path, 'directory'))
    await writeFile(join(dir.path, 'short'), 'x\n', { mode: 0o600 })
    await writeFile(join(dir.path, 'wrong'), 'another-token-of-enough-length\n', { mode: 0o600 })
    // as a crash leaves it: closing does not find the file that it would take away
    const gone = createTcpServer().listen(join(dir.path, 'admin.sock'))
    await once(gone, 'listening')
    await rename(join(dir.path, 'admin.sock'), join(dir.path, 'dead.sock'))
    gone.close()
    after(() => {
      for (const socket of sockets) socket.destroy()
    })
  })

  after(async () => {
    for (const server of servers) server.close()
    await closed[Symbol.asyncDispose]()
    await dir[Symbol.asyncDispose]()
  })

  const url = (port: number): string => `http://127.0.0.1:${port}`
  const faults: Readonly<Record<string, () => Fault>> = {
    'a wrong flag': () => ({
      options: ['--admni', 'x'],
      code: 2,
      says: /^shoal: unknown option '--admni' \(Did you mean --admin\?\); see --help$/,
    }),
    'no agent': () => ({
      options: ['--admin', url(9)],
      code: 1,
      says: /no agent answers at http:\/\/127\.0\.0\.1:9 \(.+\); start one with "shoal agent", or name another with --admin/,
    }),
    'a dead socket': () => ({
      options: ['--admin', join(dir.path, 'dead.sock')],
      code: 1,
      says: /no agent answers at \/.*dead\.sock \(connection refused\); start one with/,
    }),
    'no socket': () => ({
      options: ['--admin', join(dir.path, 'none.sock')],
      code: 1,
      says: /no agent answers at \/.*none\.sock \(there is no such socket\); start one with/,
    }),
    'a scheme that nobody speaks': () => ({
      options: ['--admin', 'ftp://x'],
      code: 2,
      says: /--admin ftp:\/\/x: neither a URL such as http:\/\/127\.0\.0\.1:7072 nor a socket's path/,
    }),
    'https where there is none': () => ({
      options: ['--admin', `https://127.0.0.1:${closed.address.port}`],
      code: 1,
      says: /no agent answers at https:.* \(it does not speak TLS: name it with http:\/\/\); start one/,
    }),
    'no token': () => ({
      options: ['--admin', url(closed.address.port)],
      code: 2,
      says: /the agent at http:.* wants its token; give --token-file FILE \(.*\/var\/lib\/shoal\/admin\.token/,
    }),
    'a wrong token': () => ({
      options: ['--admin', url(closed.address.port), '--token-file', join(dir.path, 'wrong')],
      code: 2,
      says: /the agent at http:.* wants its token; give --token-file FILE with the right token/,
    }),
    'a token file that is not there': () => ({
      options: ['--token-file', join(dir.path, 'none')],
      code: 2,
      says: /the token file \/.*none cannot be read; check its path and mode/,
    }),
    'a directory for a token file': () => ({
      options: ['--token-file', join(dir.path, 'directory')],
      code: 2,
      says: /the token file \/.*directory cannot be read; check its path and mode/,
    }),
    'a token file with something else in it': () => ({
      options: ['--token-file', join(dir.path, 'short')],
      code: 2,
      says: /the token file \/.*short must hold one line of at least 16 visible characters/,
    }),
    'a page instead of an answer': () => ({
      options: ['--admin', url(ports.text)],
      code: 1,
      says: /http:.* is no admin server this program understands; see --admin/,
    }),
    'a port that knows nothing of it': () => ({
      options: ['--admin', url(ports.none)],
      code: 1,
      says: /http:.* is no admin server this program understands \(it answers 404\); see --admin/,
    }),
    'a port that closes': () => ({
      options: ['--admin', url(ports.cut)],
      code: 1,
      says: /no agent answers at http:.* \(.+\); start one with/,
    }),
  }

  for (const [what, of] of Object.entries(faults)) {
    it(`says in one line what is wrong and what to do: ${what}`, async () => {
      const commands = await adminCommands()
      assert.ok(commands.length > 20)
      const fault = of()
      await Promise.all(
        commands.map(async (command) => {
          const result = await runCommand([...command.words, ...fault.options])
          if (command.name !== 'doctor' || fault.says.source.startsWith('^')) return assertPlain(command, result, fault)
          // for it, this is what it was asked
          assert.equal(result.code, 1)
          assert.match(result.stdout.replaceAll(/\s+/g, ' '), /ERROR agent .* -> (start it|run this as)/)
          assert.match(result.stdout, fault.says)
        }),
      )
    })
  }

  it('ends at once when it is interrupted, whatever it waits for', async () => {
    for (const command of await adminCommands()) {
      const stop = new AbortController()
      const asked = once(servers[3] as Server, 'request')
      const running = runCommand([...command.words, '--admin', url(ports.silent)], stop.signal)
      await Promise.race([asked, running])
      stop.abort(new DOMException('interrupted', 'AbortError'))
      assertPlain(command, await running, { options: [], code: 1, says: /^shoal: interrupted$/ })
    }
  })
})

it('a gate that nobody answers says so once', async () => {
  const { code, stderr } = await runCommand(['wait', IMAGE, '--timeout', '3s', '--admin', 'http://127.0.0.1:9'])
  assert.equal(code, 1)
  assert.equal(stderr.match(/no agent answers/g)?.length, 1, stderr)
})
