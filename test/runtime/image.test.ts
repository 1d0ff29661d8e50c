import assert from 'node:assert/strict'
import { cp, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { productVersion } from '../../src/base/version.ts'
import { FreePorts } from '../../src/demo/free-ports.ts'
import { buildImage, writeToBucketTree } from '../../src/demo/index.ts'
import { copyDebianBase } from '../support/debian-base.ts'
import { Dockerd } from '../support/dockerd.ts'
import { eventually } from '../support/eventually.ts'
import { execute } from '../support/execute.ts'
import { runtimeTest } from '../support/runtime-test.ts'
import { tempDir } from '../support/temp-dir.ts'

const ROOT = join(import.meta.dirname, '../..')
const IMAGE = 'shoal:test'
const MIB = 1024 * 1024
const BUILD_MS = 200_000
/** What a build sees of a checkout: .dockerignore. */
const CONTEXT = [
  'Dockerfile',
  '.dockerignore',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'LICENSE',
  'CHANGELOG.md',
  'config',
  'src',
]
const NEEDS = { programs: ['dockerd', 'docker', 'dpkg-query', 'tar'], packages: 'docker.io', timeoutMs: 600_000 }

/** Builds the image as the Dockerfile says, on a Debian that is this machine's own, with the program built beforehand. */
async function build(dockerd: Dockerd, directory: string): Promise<void> {
  const [base, context] = [join(directory, 'base'), join(directory, 'context')]
  await copyDebianBase(base, ['ca-certificates', 'libatomic1', 'libstdc++6', 'passwd'])
  await execute('tar', ['-C', base, '-cf', `${base}.tar`, '.'])
  await dockerd.docker('import', `${base}.tar`, 'base')
  await mkdir(join(context, 'build'), { recursive: true })
  for (const name of CONTEXT) await cp(join(ROOT, name), join(context, name), { recursive: true })
  const program = [join(ROOT, 'config/package/main.ts'), '--tree', join(context, 'build/tree')]
  await execute(process.execPath, program, { timeoutMs: BUILD_MS })
  const bases = ['BASE=base', 'BUILD_BASE=base'].flatMap((one) => ['--build-arg', one])
  const args = ['build', '--network', 'host', '--tag', IMAGE, ...bases, context]
  // the builder that every docker has; the other one is a package of its own
  await dockerd.run(args, { env: { DOCKER_BUILDKIT: '0' }, timeoutMs: BUILD_MS })
}

runtimeTest(
  'the image of the Dockerfile runs commands and an agent, without root and with a read-only root',
  NEEDS,
  async (t) => {
    const directory = await tempDir(t)
    const bucket = join(directory, 'images')
    const app = await buildImage(join(directory, 'built'), { sizeBytes: MIB, layerCount: 1, seed: 1 })
    await writeToBucketTree(bucket, { repository: 'team/app', tag: '1' }, app)
    await using dockerd = await Dockerd.start(join(directory, 'd'), {
      mirror: 'http://127.0.0.1:1',
      storage: 'fastest',
    })
    await build(dockerd, directory)
    const run = (...args: string[]): Promise<string> =>
      dockerd.docker('run', '--rm', '--network', 'host', '--read-only', ...args)

    assert.equal(await run(IMAGE, '--version'), `${productVersion()}\n`)
    assert.equal(await run('--entrypoint', 'id', IMAGE, '--user'), '10001\n')
    assert.match(await run(IMAGE, 'check', '--config', '/etc/shoal/agent.yaml'), /^ok: agent in region default/)
    await assert.rejects(
      run(IMAGE, 'status', '--admin', 'http://127.0.0.1:9'),
      /no agent answers at http:\/\/127\.0\.0\.1:9/,
    )

    const ports = new FreePorts()
    const [mirror, admin] = [`127.0.0.1:${await ports.take()}`, `127.0.0.1:${await ports.take()}`]
    const origin = [{ name: 'registry.corp', access: 'public', origins: [{ kind: 'directory', path: '/images' }] }]
    const settings = [
      `mirror.listen=${mirror}`,
      'peer.listen=127.0.0.1:0',
      `upstreams=${JSON.stringify(origin)}`,
      'search=["registry.corp"]',
    ]
    const agent = ['agent', '--config', '/etc/shoal/agent.yaml', ...settings.flatMap((one) => ['--set', one])]
    const options = [
      '--network',
      'host',
      '--read-only',
      '--env',
      `SHOAL_ADMIN_LISTEN=${admin}`,
      '--volume',
      `${bucket}:/images:ro`,
    ]
    const id = (await dockerd.docker('run', '--detach', ...options, IMAGE, ...agent)).trim()
    const state = async (what: string): Promise<string> =>
      (await dockerd.docker('inspect', '--format', `{{.State.${what}}}`, id)).trim()
    // as the image's own HEALTHCHECK says
    const isHealthy = async (): Promise<boolean> => {
      assert.equal(await state('Running'), 'true', JSON.stringify(await dockerd.run(['logs', id])))
      return (await state('Health.Status')) === 'healthy'
    }
    await eventually('the container is healthy', isHealthy, 120_000)
    const pulled = await run(IMAGE, 'pull', 'registry.corp/team/app:1', '--mirror', `http://${mirror}`, '--json')
    assert.ok(pulled.includes(app.manifest.digest), pulled)
    assert.match(await dockerd.docker('exec', id, 'shoal', 'status'), new RegExp(`^Listening +mirror ${mirror}`, 'm'))
    await dockerd.docker('stop', '--time', '45', id)
    assert.equal(await state('ExitCode'), '0')

    const sizeOf = async (image: string): Promise<number> =>
      Number(await dockerd.docker('image', 'inspect', '--format', '{{.Size}}', image)) / MIB
    const added = (await sizeOf(IMAGE)) - (await sizeOf('base'))
    const said = Number(/adds (\d+) MiB to its base/.exec(await readFile(join(ROOT, 'docs/install.md'), 'utf8'))?.[1])
    assert.ok(Math.abs(added - said) <= said / 20, `docs/install.md says ${said} MiB, and it is ${added}`)
  },
)
