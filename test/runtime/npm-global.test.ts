import assert from 'node:assert/strict'
import type { SpawnSyncReturns } from 'node:child_process'
import { spawnSync } from 'node:child_process'
import { delimiter, dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { productVersion } from '../../src/base/version.ts'
import { execute } from '../support/execute.ts'
import { findProgram, runtimeTest } from '../support/runtime-test.ts'
import { tempDir } from '../support/temp-dir.ts'

/** As `engines` in package.json says. */
const OLDEST_MAJOR = 26
const INSTALL_MS = 200_000
/** What npm says where the dependencies cannot be fetched. */
const NO_NETWORK = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|ECONNRESET|ERR_SOCKET_TIMEOUT|ENOTCACHED/
/** A connection that is cut is made again, and where there is no network that is known soon. */
const RETRIES = ['--fetch-retries=2', '--fetch-retry-mintimeout=200', '--fetch-retry-maxtimeout=2000']
/** The Node in front of PATH: the project's own, and the system's where there is one. */
function nodes(): string[] {
  const others = (process.env.PATH ?? '').split(delimiter).filter((directory) => !directory.includes('node_modules'))
  const system = others.map((directory) => join(directory, 'node')).find((path) => spawnSync(path, ['-v']).status === 0)
  return [process.execPath, ...(system === undefined ? [] : [system])]
}

/** Packs this checkout and installs it as `npm install -g` does; undefined without a network. */
async function installed(t: TestContext): Promise<string | undefined> {
  const prefix = await tempDir(t)
  const { stdout } = await execute('npm', ['pack', '--silent', '--pack-destination', prefix])
  const archive = join(prefix, stdout.trim().split('\n').at(-1) ?? '')
  const options = ['--global', '--prefix', prefix, '--prefer-offline', '--no-audit', '--no-fund', ...RETRIES]
  try {
    await execute('npm', ['install', ...options, archive], { timeoutMs: INSTALL_MS })
  } catch (error) {
    if (error instanceof Error && NO_NETWORK.test(error.message)) return undefined
    throw error
  }
  return join(prefix, 'bin/shoal')
}

const NEEDS = { programs: ['npm'], packages: 'npm' }

runtimeTest(
  'npm pack and npm install -g give a shoal that runs, or says in one line which Node it needs',
  NEEDS,
  async (t) => {
    const shoal = await installed(t)
    if (shoal === undefined) return t.skip('needs a network, or what it depends on in the cache of npm')
    const config = join(dirname(shoal), '../lib/node_modules/shoal/config/agent.yaml')
    for (const node of nodes()) {
      const PATH = `${dirname(node)}${delimiter}${dirname(findProgram('env') ?? '/usr/bin/env')}`
      const run = (...args: string[]): SpawnSyncReturns<string> =>
        spawnSync(shoal, args, { encoding: 'utf8', env: { PATH } })
      const version = spawnSync(node, ['-v'], { encoding: 'utf8' }).stdout.trim()
      const said = run('--version')
      // an older one hands over to the Node that came along, where it can
      if (said.status === 1 && Number.parseInt(version.slice(1), 10) < OLDEST_MAJOR) {
        assert.equal(said.stdout, '')
        assert.match(
          said.stderr,
          new RegExp(`^shoal: needs Node ${OLDEST_MAJOR} or newer, and this is ${version};[^\n]*\n$`),
        )
      } else {
        assert.deepEqual([said.status, said.stdout, said.stderr], [0, `${productVersion()}\n`, ''], version)
        assert.equal(run('check', '--config', config).status, 0, version)
      }
      t.diagnostic(`${version}: ${said.status === 0 ? 'ran' : said.stderr}`)
    }
  },
)
