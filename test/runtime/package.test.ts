import assert from 'node:assert/strict'
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { stringify } from 'yaml'
import type { BuiltImage, ImageSpec } from '../../src/demo/index.ts'
import { buildImage } from '../../src/demo/index.ts'
import { digestHex } from '../../src/oci/digest.ts'
import { platformOf } from '../../src/oci/platform.ts'
import { SHARED, sharedPackage } from '../support/built-package.ts'
import { DebianMachine } from '../support/debian-machine.ts'
import { docsBlock } from '../support/docs-block.ts'
import { eventually } from '../support/eventually.ts'
import { execute } from '../support/execute.ts'
import { runtimeTest } from '../support/runtime-test.ts'
import { ServiceLines } from '../support/service-lines.ts'
import { saveDir } from '../support/skopeo-push.ts'
import { TempDir } from '../support/temp-dir.ts'

const NEEDS = {
  programs: ['dpkg-deb', 'flock', 'systemctl', 'unshare', 'nsenter', 'docker', 'dockerd', 'docker-registry', 'skopeo'],
  packages: 'dpkg systemd util-linux docker.io docker-registry skopeo',
  timeoutMs: 600_000,
}
const OLD = SHARED.release
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
    const lines = await ServiceLines.ofTheGuides(machine)
    await operates(machine, lines)
    await survivesAHang(machine)
    await upgradesInAPull(machine, image)
    await leaves(machine, lines)
    // no CRI-O is here, nor in Debian
    assert.deepEqual(lines.left, ['systemctl reload crio'])
  },
)
const DOCKER_SERVICE = `[Service]
ExecStart=/usr/sbin/dockerd --data-root /tmp/docker --storage-driver vfs --iptables=false --bridge=none
ExecReload=/bin/kill -HUP $MAINPID
`

/** Two releases of this checkout, which differ in their version only. */
async function buildPackages(work: string, files: string): Promise<void> {
  await mkdir(files)
  const shared = await sharedPackage(work)
  const old = (await readdir(shared)).find((file) => file.endsWith('.deb'))
  assert.ok(old !== undefined, shared)
  await copyFile(join(shared, old), join(files, 'old.deb'))
  const unpacked = join(work, 'unpacked')
  await execute('dpkg-deb', ['--raw-extract', join(files, 'old.deb'), unpacked])
  for (const file of ['DEBIAN/control', 'usr/lib/shoal/package.json']) {
    await execute('sed', ['-i', `s/\\b${OLD}\\b/${NEW}/`, join(unpacked, file)])
  }
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

/** What the text of the guides has an administrator type to the service manager; each does what is said of it. */
async function operates(machine: DebianMachine, lines: ServiceLines): Promise<void> {
  const mirror = 'curl --silent --output /dev/null --write-out "%{http_code}" http://127.0.0.1:7070/v2/'
  assert.match(await lines.run('systemctl status shoal'), /Active: active \(running\)/)
  assert.match(await lines.run('journalctl -u shoal'), /"msg":"pull"/)
  assert.match(await lines.run('journalctl --unit shoal'), /"msg":"pull"/)
  await machine.run("sed -i '$a limits: { upload: 7MiB }' /etc/shoal/agent.yaml")
  await lines.run('systemctl reload shoal')
  assert.match(await lines.run('journalctl --unit shoal'), /limits\.upload.*"msg":"SIGHUP/)
  await lines.run('systemctl reload docker')
  await lines.run('systemctl stop shoal.socket shoal')
  assert.equal(await machine.run(`${mirror} || true`), '000', 'nothing holds the port')
  // the port is there at once, and whoever connects to it starts the agent
  await lines.run('systemctl enable --now shoal.socket')
  assert.equal(await machine.run('systemctl is-active shoal.service || true'), 'inactive\n')
  assert.equal(await machine.run(mirror), '200')
  assert.equal(await machine.run('systemctl is-active shoal.service'), 'active\n')
  await lines.run('systemctl restart shoal')
  assert.equal(await machine.run(mirror), '200')
}

/** An agent that gives no sign of life is ended by the service manager's watchdog, for nothing else would, and started again. */
async function survivesAHang(machine: DebianMachine): Promise<void> {
  const dropIn = '/run/systemd/system/shoal.service.d'
  await machine.run(`mkdir -p ${dropIn} && printf '[Service]\\nWatchdogSec=5\\n' >${dropIn}/soon.conf`)
  await machine.run('systemctl daemon-reload && systemctl restart shoal')
  await machine.run('kill -STOP "$(systemctl show --property=MainPID --value shoal)"')
  const restarts = 'systemctl show --property=NRestarts --value shoal'
  await eventually('it was started again', async () => Number(await machine.run(restarts)) > 0)
  await machine.run(`rm -r ${dropIn} && systemctl daemon-reload && systemctl restart shoal`)
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

async function leaves(machine: DebianMachine, lines: ServiceLines): Promise<void> {
  await machine.run(page('undo'))
  assert.equal(await machine.run('ls -d /etc/docker/daemon.json /etc/shoal/configure 2>/dev/null || true'), '')
  await machine.run(page('cache'))
  assert.equal(
    await machine.run('systemctl is-active shoal.socket shoal.service shoal-cache || true'),
    'inactive\ninactive\nactive\n',
  )
  await lines.run('systemctl stop shoal-cache')
  assert.equal(await machine.run('systemctl is-active shoal-cache || true'), 'inactive\n')
  await lines.run('systemctl start shoal-cache')
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
