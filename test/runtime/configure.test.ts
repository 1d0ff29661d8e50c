import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { buildImage } from '../../src/demo/index.ts'
import { platformOf } from '../../src/oci/platform.ts'
import { CHECKOUT, DebianMachine } from '../support/debian-machine.ts'
import { docsBlock } from '../support/docs-block.ts'
import { runtimeTest } from '../support/runtime-test.ts'
import { saveDir } from '../support/skopeo-push.ts'
import { TempDir } from '../support/temp-dir.ts'

const NODE = `${CHECKOUT}/node_modules/node-linux-${process.arch}/bin/node`
const SHOAL = `${NODE} ${CHECKOUT}/src/main.ts`
const PROGRAMS = ['systemctl', 'unshare', 'nsenter', 'docker-registry', 'skopeo']
const PACKAGES = 'systemd util-linux docker-registry skopeo'

const ORIGIN = [{ kind: 'registry', url: 'http://127.0.0.1:5000' }]
/** What the agent mirrors: names that lead nowhere from the machine, but through it. */
const AGENT = stringify({
  upstreams: [
    { name: 'docker.io', access: 'public', origins: ORIGIN },
    { name: 'registry.test', access: 'public', origins: ORIGIN },
  ],
})
const REGISTRY = stringify({
  version: 0.1,
  storage: { filesystem: { rootdirectory: '/srv/registry' } },
  http: { addr: '127.0.0.1:5000' },
})
const DOCKER_SERVICE = `[Service]
ExecStart=/usr/sbin/dockerd --data-root /tmp/docker --storage-driver vfs --iptables=false --bridge=none
ExecReload=/bin/kill -HUP $MAINPID
`

/** A machine that reaches no registry, with an agent that has two images: library/web:v1 and team/web:v1. */
async function machineWithAgent(): Promise<DebianMachine> {
  await using temp = await TempDir.make()
  const spec = { sizeBytes: 4 * 1024 * 1024, layerCount: 2, seed: 1, format: 'oci', gzip: false } as const
  const image = await buildImage(join(temp.path, 'image'), { ...spec, platform: platformOf(process.arch) })
  const files = join(temp.path, 'files')
  await saveDir(join(files, 'image'), image)
  await writeFile(join(files, 'registry.yaml'), REGISTRY)
  await writeFile(join(files, 'agent.yaml'), AGENT)
  await writeFile(join(files, 'docker.service'), DOCKER_SERVICE)
  const machine = await DebianMachine.boot()
  try {
    await machine.copyIn(files, '/srv')
    await machine.run('install -D /srv/agent.yaml /etc/shoal/agent.yaml')
    await machine.run('systemd-run --quiet --unit=registry docker-registry serve /srv/registry.yaml')
    const set = '--config /etc/shoal/agent.yaml --set store.path=/tmp/shoal'
    await machine.run(`systemd-run --quiet --unit=shoal ${SHOAL} agent ${set}`)
    await machine.run('until curl -sf http://127.0.0.1:5000/v2/ >/dev/null; do sleep 0.1; done')
    for (const name of ['library/web:v1', 'team/web:v1']) {
      const copy = 'skopeo --policy /srv/image/policy.json copy --preserve-digests --dest-tls-verify=false'
      await machine.run(`${copy} dir:/srv/image docker://127.0.0.1:5000/${name}`)
    }
    await machine.run('until curl -sf http://127.0.0.1:7072/readyz >/dev/null; do sleep 0.1; done')
    return machine
  } catch (error) {
    await machine[Symbol.asyncDispose]()
    throw error
  }
}

/** What `shoal doctor` says of a runtime. */
async function diagnosed(machine: DebianMachine, runtime: string): Promise<string> {
  const report = await machine.run(`${SHOAL} doctor --json || true`)
  // parsed by nobody else: this is the command's own JSON
  const { findings } = JSON.parse(report) as { findings: { check: string; text: string }[] }
  return findings.find(({ check, text }) => check === 'runtime' && text.startsWith(runtime))?.text ?? report
}

/** What the page tells its reader to type. */
function guide(block: string): string {
  return docsBlock('docs/runtimes.md', block, { 'sudo shoal': SHOAL })
}

const DOCKER = { programs: [...PROGRAMS, 'docker', 'dockerd'], packages: `${PACKAGES} docker.io` }

runtimeTest('shoal configure docker: its pulls go through the agent, and after --undo no longer', DOCKER, async () => {
  await using machine = await machineWithAgent()
  await machine.run('rm -f /etc/systemd/system/docker.service && cp /srv/docker.service /etc/systemd/system/')
  await machine.run('systemctl daemon-reload && systemctl start docker')
  await machine.run('until docker info >/dev/null 2>&1; do sleep 0.1; done')
  const before = await machine.run('ls -A /etc/docker')
  await assert.rejects(machine.run('docker pull --quiet web:v1'))
  assert.match(await diagnosed(machine, 'docker'), /^docker 20\.10 is not set up to pull through /)

  const said = await machine.run(guide('configure'))
  assert.match(
    said,
    /^docker 20\.10 \(classic image store\): docker\.io, registry\.test through http:\/\/127\.0\.0\.1:7070\n/,
  )
  assert.match(said, /done: systemctl reload docker/)
  await machine.run('docker pull --quiet web:v1')
  assert.match(await machine.run(`${SHOAL} configure docker --restart`), /nothing to do/)

  assert.equal(await diagnosed(machine, 'docker'), "docker 20.10 pulls through an agent's mirror")
  assert.equal((await machine.run('docker images --quiet')).split('\n').length, 2, 'the image of the doctor is gone')
  await machine.run('docker rmi web:v1')
  await machine.run('systemctl stop shoal')
  assert.match(await diagnosed(machine, 'docker'), /^docker 20\.10 does not pull through the agent: /)
  assert.match(await machine.run(guide('undo')), /to take effect: systemctl restart docker/)
  await machine.run('systemctl restart docker; until docker info >/dev/null 2>&1; do sleep 0.1; done')
  await assert.rejects(machine.run('docker pull --quiet web:v1'))
  assert.equal(await machine.run('ls -A /etc/docker'), before)
})

/** As the kubelet does, from inside of the machine. */
const CRI_PULL = `import("${CHECKOUT}/test/support/cri.ts")
  .then(({ criPull }) => criPull("/run/containerd/containerd.sock", "registry.test/team/web:v1"))`

const CONTAINERD = { programs: [...PROGRAMS, 'containerd', 'ctr'], packages: `${PACKAGES} containerd` }

runtimeTest(
  'shoal configure containerd: what Kubernetes pulls goes through the agent, and after --undo no longer',
  CONTAINERD,
  async () => {
    await using machine = await machineWithAgent()
    await machine.run('rm -f /etc/systemd/system/containerd.service && systemctl daemon-reload')
    // the file systems of the machine's own are not to be relied on
    const native = '[plugins."io.containerd.grpc.v1.cri".containerd]\n  snapshotter = "native"\n'
    await machine.run(`printf '%s' '${native}' >> /etc/containerd/config.toml`)
    await machine.run('systemctl start containerd')
    const before = await machine.run('cat /etc/containerd/config.toml; ls -A /etc/containerd')
    const pull = `${NODE} --eval '${CRI_PULL}'`
    await assert.rejects(machine.run(pull))

    const said = await machine.run(`${SHOAL} configure containerd --restart`)
    assert.match(said, /^containerd 1\.6: /)
    assert.match(said, /done: systemctl restart containerd/)
    assert.match(await machine.run('containerd config dump'), /config_path = "\/etc\/containerd\/certs\.d"/)
    assert.match(await machine.run('containerd config dump'), /bin_dir = "\/usr\/lib\/cni"/)
    await machine.run(pull)
    await machine.run(
      'ctr images pull --snapshotter native --hosts-dir /etc/containerd/certs.d docker.io/library/web:v1',
    )

    assert.equal(await diagnosed(machine, 'containerd'), "containerd 1.6 pulls through an agent's mirror")
    assert.equal(await machine.run('ctr namespaces list --quiet | grep doctor || true'), '')
    await machine.run('ctr -n k8s.io images rm $(ctr -n k8s.io images list -q)')
    await machine.run(`${SHOAL} configure containerd --undo --restart`)
    await assert.rejects(machine.run(pull))
    assert.equal(await machine.run('cat /etc/containerd/config.toml; ls -A /etc/containerd'), before)
  },
)

const PODMAN = { programs: [...PROGRAMS, 'podman'], packages: `${PACKAGES} podman` }

runtimeTest(
  "shoal configure podman: its and skopeo's pulls go through the agent, and after --undo no longer",
  PODMAN,
  async () => {
    await using machine = await machineWithAgent()
    const storage =
      '--root /tmp/podman --runroot /run/podman-test --storage-driver vfs --cgroup-manager cgroupfs --events-backend file'
    const pulls = [
      `podman ${storage} pull --quiet registry.test/team/web:v1`,
      'rm -rf /tmp/copy; skopeo copy --quiet docker://docker.io/library/web:v1 dir:/tmp/copy',
    ]
    for (const pull of pulls) await assert.rejects(machine.run(pull))
    assert.match(await machine.run(`${SHOAL} configure podman --restart`), /^podman 4\.3: /)
    for (const pull of pulls) await machine.run(pull)
    const settings = '[storage]\ndriver = "vfs"\ngraphroot = "/tmp/podman"\nrunroot = "/run/podman-test"\n'
    await machine.run(`printf '%s' '${settings}' > /etc/containers/storage.conf`)
    assert.equal(await diagnosed(machine, 'podman'), "podman 4.3 pulls through an agent's mirror")
    await machine.run(`podman ${storage} rmi registry.test/team/web:v1`)
    await machine.run(`${SHOAL} configure podman --undo`)
    for (const pull of pulls) await assert.rejects(machine.run(pull))
  },
)
