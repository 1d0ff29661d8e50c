import assert from 'node:assert/strict'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { stringify } from 'yaml'
import type { BuiltImage, ImageSpec } from '../../src/demo/index.ts'
import { buildImage } from '../../src/demo/index.ts'
import { digestHex } from '../../src/oci/digest.ts'
import { platformOf } from '../../src/oci/platform.ts'
import { DebianMachine } from '../support/debian-machine.ts'
import { docsBlock } from '../support/docs-block.ts'
import { eventually } from '../support/eventually.ts'
import { execute } from '../support/execute.ts'
import { runtimeTest } from '../support/runtime-test.ts'
import { saveDir } from '../support/skopeo-push.ts'
import { TempDir } from '../support/temp-dir.ts'

const NEEDS = {
  programs: ['dpkg-deb', 'systemctl', 'unshare', 'nsenter', 'docker', 'dockerd', 'docker-registry', 'skopeo'],
  packages: 'dpkg systemd util-linux docker.io docker-registry skopeo',
}
/** A machine that does other work as well installs the modules slowly. */
const BUILD_MS = 480_000
const OLD = '0.0.1'
const NEW = '0.0.2'

/** One layer, large enough that its pull can be met under way. */
const PULLED: ImageSpec = {
  sizeBytes: 32 * 1024 * 1024,
  layerCount: 1,
  seed: 1,
  format: 'oci',
  gzip: false,
  platform: platformOf(process.arch),
}
const PREWARMED: ImageSpec = { ...PULLED, sizeBytes: 4 * 1024 * 1024, layerCount: 2, seed: 2 }

/** A mirror of Docker Hub whose origin is the registry of the test. */
const UPSTREAMS = stringify({
  upstreams: [{ name: 'docker.io', access: 'public', origins: [{ kind: 'registry', url: 'http://127.0.0.1:5000' }] }],
})
const REGISTRY = stringify({
  version: 0.1,
  storage: { filesystem: { rootdirectory: '/srv/registry' } },
  http: { addr: '127.0.0.1:5000' },
})

runtimeTest(
  'the first hour by the guide to installing: installed, configured, pulled, seen, prewarmed, upgraded in a pull, undone, removed',
  NEEDS,
  async () => {
    await using temp = await TempDir.make()
    const files = join(temp.path, 'files')
    await buildPackages(temp.path, files)
    const image = await buildImage(join(temp.path, 'image'), PULLED)
    await saveDir(join(files, 'v1'), image)
    await saveDir(join(files, 'v2'), await buildImage(join(temp.path, 'image'), PREWARMED))
    await writeFile(join(files, 'registry.yaml'), REGISTRY)
    await writeFile(join(files, 'docker.service'), DOCKER_SERVICE)
    await using machine = await DebianMachine.boot()
    await machine.copyIn(files, '/srv')

    await installs(machine)
    await configures(machine)
    await pullsWithDocker(machine)
    await prewarms(machine)
    await upgradesInAPull(machine, image)
    await leaves(machine)
  },
)
const DOCKER_SERVICE = `[Service]
ExecStart=/usr/sbin/dockerd --data-root /tmp/docker --storage-driver vfs --iptables=false --bridge=none
ExecReload=/bin/kill -HUP $MAINPID
`

/** Two releases of this checkout, which differ in their version only. */
async function buildPackages(work: string, files: string): Promise<void> {
  const built = join(work, 'built')
  const args = ['config/package/main.ts', '--uncompressed', '--out', built, '--release', OLD]
  const { stdout } = await execute(process.execPath, args, { timeoutMs: BUILD_MS })
  const old = stdout.split('\n').find((file) => file.endsWith('.deb'))
  assert.ok(old !== undefined, stdout)
  const unpacked = join(work, 'unpacked')
  await execute('dpkg-deb', ['--raw-extract', old, unpacked])
  for (const file of ['DEBIAN/control', 'usr/lib/shoal/package.json']) {
    await execute('sed', ['-i', `s/\\b${OLD}\\b/${NEW}/`, join(unpacked, file)])
  }
  await mkdir(files)
  await rename(old, join(files, 'old.deb'))
  await execute('dpkg-deb', ['-Znone', '--root-owner-group', '--build', unpacked, join(files, 'new.deb')])
}

/** What the page tells its reader to type, with the packages of this test. */
function page(block: string, file?: string): string {
  const replacing = file === undefined ? {} : { './shoal_0.2.0_amd64.deb': `/srv/${file}` }
  return docsBlock('docs/install.md', block, replacing)
}

async function installs(machine: DebianMachine): Promise<void> {
  await machine.run(page('install', 'old.deb'))
  assert.equal(await machine.run('systemctl is-active shoal.socket shoal.service'), 'active\nactive\n')
  assert.equal(await machine.run('systemctl is-enabled shoal.socket shoal.service'), 'enabled\nenabled\n')
  assert.equal(await machine.run('stat -c "%U %a" /var/lib/shoal'), 'shoal 700\n')
  assert.equal(await machine.run('stat -c "%U:%G %a" /etc/shoal'), 'root:shoal 750\n')
  assert.equal(await machine.run('shoal --version'), `${OLD}\n`)
  assert.match(
    await machine.run('bash -c ". /usr/share/bash-completion/completions/shoal; complete -p shoal"'),
    /shoal/,
  )
  const manual = await machine.run('zcat /usr/share/man/man1/shoal.1.gz')
  for (const command of ['agent', 'pull', 'prewarm', 'fleet init'])
    assert.ok(manual.includes(`.SS shoal ${command}`), command)
  const main = await machine.run('systemctl show --property=MainPID --value shoal')
  assert.match(await machine.run(`ps -o user= -p ${main.trim()}`), /^shoal/)
}

/** Docker's registry is one of this machine; all else is the guide's. */
async function configures(machine: DebianMachine): Promise<void> {
  await machine.run('systemd-run --quiet --unit=registry docker-registry serve /srv/registry.yaml')
  await machine.run('until curl -sf http://127.0.0.1:5000/v2/ >/dev/null; do sleep 0.1; done')
  for (const tag of ['v1', 'v2']) {
    const copy = `skopeo --policy /srv/${tag}/policy.json copy --preserve-digests --dest-tls-verify=false dir:/srv/${tag}`
    await machine.run(`${copy} docker://127.0.0.1:5000/library/web:${tag}`)
  }
  await machine.run(`cat >> /etc/shoal/agent.yaml <<'END'\n${UPSTREAMS}END\n${page('reload')}`)
  await machine.run('rm -f /etc/systemd/system/docker.service && cp /srv/docker.service /etc/systemd/system/')
  await machine.run('systemctl daemon-reload && systemctl start docker')
  await machine.run('until docker info >/dev/null 2>&1; do sleep 0.1; done')
  await machine.run(page('configure'))
}

async function pullsWithDocker(machine: DebianMachine): Promise<void> {
  const seen = await machine.run(docsBlock('docs/install.md', 'first pull', { 'nginx:latest': 'web:v1' }))
  assert.match(seen, /"image":"docker\.io\/library\/web:v1".*"runtime":"docker\/.*"result":"done"/)
  assert.match(seen, /^Received +origin 32/m)
  assert.match(seen, /^shoal_received_bytes_total\{[^}]*from="origin"[^}]*\} 3\d{7}$/m)
  const link = /^http:\S+$/m.exec(seen)?.[0] ?? ''
  assert.match(await machine.run(`curl --silent --fail '${link}'`), /<title>Shoal/)
}

async function prewarms(machine: DebianMachine): Promise<void> {
  const said = await machine.run(docsBlock('docs/install.md', 'first prewarm', { 'redis:latest': 'web:v2' }))
  assert.match(said, /^So +a pull is served from this host$/m)
  await machine.run('systemctl stop registry && docker pull --quiet web:v2')
}

async function upgradesInAPull(machine: DebianMachine, image: BuiltImage): Promise<void> {
  const [layer] = image.layers
  assert.ok(layer)
  const url = `http://127.0.0.1:7070/v2/docker.io/library/web/blobs/${layer.digest}`
  const pull = machine.spawn('sh', '-c', `curl --silent --fail --limit-rate 4M ${url} | tee /tmp/pulled | sha256sum`)
  assert.ok(pull.stdout)
  const sum = text(pull.stdout)
  await eventually('the pull is under way', async () => Number(await machine.run('stat -c %s /tmp/pulled || echo 0')))
  await machine.run(page('upgrade', 'new.deb'))
  assert.equal((await sum).split(' ')[0], digestHex(layer.digest))
  assert.equal(await machine.run('shoal --version'), `${NEW}\n`)
  assert.match(await machine.run('curl -s http://127.0.0.1:7072/api/v1/status'), new RegExp(`"version":"${NEW}"`))
  assert.match(
    await machine.run('cat /etc/shoal/agent.yaml'),
    /127\.0\.0\.1:5000/,
    'what the administrator wrote stays',
  )
}

async function leaves(machine: DebianMachine): Promise<void> {
  await machine.run(page('undo'))
  assert.equal(await machine.run('ls -d /etc/docker/daemon.json /etc/shoal/configure 2>/dev/null || true'), '')
  await machine.run(page('cache'))
  assert.equal(
    await machine.run('systemctl is-active shoal.socket shoal.service shoal-cache || true'),
    'inactive\ninactive\nactive\n',
  )
  await machine.run(page('remove'))
  assert.equal(
    await machine.run('systemctl is-active shoal.service shoal-cache.service || true'),
    'inactive\ninactive\n',
  )
  assert.equal(
    await machine.run('test ! -e /usr/lib/shoal && test -d /var/lib/shoal/blobs || ls /usr/lib/shoal /var/lib/shoal'),
    '',
  )
  await machine.run(page('purge'))
  assert.equal(await machine.run('ls -d /var/lib/shoal /etc/shoal /var/cache/shoal 2>/dev/null || true'), '')
}
