import assert from 'node:assert/strict'
import { chmod, lstat, mkdir, readdir, readFile, readlink, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import type { CommandResult } from '../support/run-command.ts'
import { runCommand } from '../support/run-command.ts'
import { tempDir } from '../support/temp-dir.ts'

const MAIN = '/etc/containerd/config.toml'
const DAEMON_JSON = '/etc/docker/daemon.json'
const HOSTS = '/etc/containerd/certs.d/registry.corp/hosts.toml'
const TARGET = ['--registry', 'registry.corp', '--registry', 'docker.io', '--mirror', 'http://127.0.0.1:7070']

/** The files of a machine, in a directory. */
class Machine {
  readonly root: string

  private constructor(root: string) {
    this.root = root
  }

  static async make(t: TestContext, files: Readonly<Record<string, string>>): Promise<Machine> {
    const machine = new Machine(join(await tempDir(t), 'root'))
    await mkdir(machine.at('/etc'), { recursive: true })
    for (const [path, text] of Object.entries(files)) await machine.write(path, text)
    return machine
  }

  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(this.at(path)), { recursive: true })
    await writeFile(this.at(path), text)
  }

  read(path: string): Promise<string> {
    return readFile(this.at(path), 'utf8')
  }

  at(path: string): string {
    return join(this.root, path)
  }

  /** Every path with its kind, mode and content. */
  async tree(): Promise<Readonly<Record<string, string>>> {
    const found: Record<string, string> = {}
    for (const entry of await readdir(this.root, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      const { mode } = await lstat(path)
      const content = entry.isSymbolicLink()
        ? await readlink(path)
        : entry.isFile()
          ? await readFile(path, 'latin1')
          : ''
      found[path.slice(this.root.length)] = `${mode.toString(8)} ${content}`
    }
    return found
  }

  configure(...args: readonly string[]): Promise<CommandResult> {
    return runCommand(['configure', '--root', this.root, ...args])
  }

  async sure(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.configure(...args)
    assert.equal(code, 0, stderr)
    return stdout
  }
}

const FILES = {
  [DAEMON_JSON]: '{\n\t"debug": true\n}',
  [MAIN]: 'version = 2\n# kept\n[plugins."io.containerd.grpc.v1.cri".cni]\n  bin_dir = "/usr/lib/cni"',
  '/etc/containers/registries.conf': '# unqualified-search-registries = ["example.com"]\n',
  '/etc/buildkit/buildkitd.toml': 'debug = true\n',
}

const RUNTIMES: readonly (readonly [runtime: string, version: string, file: string])[] = [
  ['docker', '20.10', DAEMON_JSON],
  ['docker', '29.4', '/etc/docker/certs.d/docker.io/hosts.toml'],
  ['containerd', '1.6', MAIN],
  ['containerd', '2.1', HOSTS],
  ['podman', '4.3', '/etc/containers/registries.conf.d/50-shoal.conf'],
  ['crio', '1.28', '/etc/containers/registries.conf.d/50-shoal.conf'],
  ['buildkit', '0.12', '/etc/buildkit/buildkitd.toml'],
  ['nerdctl', '2.0', HOSTS],
]

describe('shoal configure', () => {
  for (const [runtime, version, file] of RUNTIMES) {
    for (const [state, files] of [
      ['with files', FILES],
      ['without', {}],
    ] as const) {
      it(`${runtime} ${version}, a machine ${state}: written once, undone byte for byte`, async (t) => {
        const machine = await Machine.make(t, files)
        if (state === 'with files') await chmod(machine.at(DAEMON_JSON), 0o640)
        const before = await machine.tree()
        const options = [...TARGET, '--runtime-version', version]

        const dry = await machine.sure(runtime, ...options, '--dry-run')
        assert.deepEqual(await machine.tree(), before, 'a dry run writes nothing')
        const first = await machine.sure(runtime, ...options)
        assert.ok(first.includes(`+++ ${file}\n`) && dry.includes(`+++ ${file}\n`), first)
        assert.match(await machine.read(file), /127\.0\.0\.1:7070|config_path = "\/etc\/containerd\/certs\.d"/)
        const after = await machine.tree()
        assert.match(await machine.sure(runtime, ...options), /nothing to do/)
        assert.deepEqual(await machine.tree(), after, 'a second run writes nothing')
        if (state === 'with files') assert.equal((await stat(machine.at(DAEMON_JSON))).mode & 0o777, 0o640)

        await machine.sure(runtime, '--undo')
        assert.deepEqual(await machine.tree(), before)
        assert.match(await machine.sure(runtime, '--undo'), /nothing to undo/)
      })
    }
  }

  it('says in JSON what it did and what it takes', async (t) => {
    const machine = await Machine.make(t, FILES)
    const said: unknown = JSON.parse(await machine.sure('docker', ...TARGET, '--runtime-version', '20.10', '--json'))
    assert.partialDeepStrictEqual(said, {
      runtime: 'docker',
      version: '20.10',
      store: 'classic',
      mirror: 'http://127.0.0.1:7070',
      registries: ['registry.corp', 'docker.io'],
      files: [{ path: DAEMON_JSON, kind: 'change' }],
      service: { command: 'systemctl reload docker', done: false },
    })
  })

  it('takes a restart of Docker to undo what it would not drop on a reload: its last mirror', async (t) => {
    const machine = await Machine.make(t, {})
    for (const [text, command] of [
      ['{}\n', 'systemctl restart docker'],
      ['{ "registry-mirrors": ["https://other"] }\n', 'systemctl reload docker'],
    ] as const) {
      await machine.write(DAEMON_JSON, text)
      const said = await machine.sure('docker', ...TARGET, '--runtime-version', '20.10')
      assert.match(said, /take effect[^\n]*systemctl reload docker/)
      assert.ok((await machine.sure('docker', '--undo')).includes(command), text)
    }
  })

  it("takes the mirror and its registries from the agent's configuration", async (t) => {
    const machine = await Machine.make(t, FILES)
    const origins = '[{ kind: registry, url: "https://registry.corp" }]'
    const yaml = `mirror: { listen: "0.0.0.0:7171" }\nupstreams: [{ name: "registry.corp:5000", origins: ${origins} }]\n`
    await machine.write('/etc/shoal/agent.yaml', yaml)
    const said = await machine.sure('podman')
    assert.match(said, /location = "127\.0\.0\.1:7171\/registry\.corp_5000"/)
    await machine.write('/etc/shoal/agent.yaml', yaml.replace('7171', '0'))
    assert.equal((await machine.configure('podman')).code, 2)
    await machine.write('/etc/shoal/agent.yaml', 'mirrors: {}\n')
    const { code, stderr } = await machine.configure('podman')
    assert.equal(code, 2)
    assert.match(stderr, /agent\.yaml:1: mirrors/)
  })

  it('follows the configuration: a registry that has gone is undone', async (t) => {
    const machine = await Machine.make(t, FILES)
    await machine.sure('containerd', ...TARGET)
    const rest = TARGET.slice(2)
    await machine.sure('containerd', ...rest)
    await assert.rejects(machine.read(HOSTS), { code: 'ENOENT' })
    assert.match(await machine.read('/etc/containerd/certs.d/docker.io/hosts.toml'), /7070/)
    await machine.sure('containerd', ...rest.with(-1, 'http://127.0.0.1:7171'))
    assert.doesNotMatch(await machine.read('/etc/containerd/certs.d/docker.io/hosts.toml'), /7070/)
  })

  it('what two runtimes read stays until the last of them is undone', async (t) => {
    const machine = await Machine.make(t, FILES)
    const before = await machine.tree()
    await machine.sure('containerd', ...TARGET)
    assert.match(await machine.sure('nerdctl', ...TARGET), /nothing to do/)
    assert.match(await machine.sure('containerd', '--undo'), /note: .*hosts\.toml stays/)
    assert.match(await machine.read(HOSTS), /7070/)
    assert.equal(await machine.read(MAIN), FILES[MAIN])
    await machine.sure('nerdctl', '--undo')
    assert.deepEqual(await machine.tree(), before)
  })
})

describe('a file that somebody else has changed since', () => {
  it('is not undone without --force, and with it nothing is lost', async (t) => {
    const machine = await Machine.make(t, FILES)
    await machine.sure('containerd', ...TARGET)
    const theirs = `${await machine.read(MAIN)}\n# theirs\n`
    await machine.write(MAIN, theirs)
    const changed = await machine.tree()
    const { code, stderr } = await machine.configure('containerd', '--undo')
    assert.equal(code, 1)
    assert.match(stderr, /config\.toml was changed by somebody else/)
    assert.deepEqual(await machine.tree(), changed, 'nothing was undone: also no other file')

    const said = await machine.sure('containerd', '--undo', '--force')
    assert.equal(await machine.read(MAIN), FILES[MAIN])
    const kept = /kept what somebody else had written: (\S+)/.exec(said)?.[1] ?? ''
    assert.equal(await machine.read(kept), theirs)
  })

  it('is left alone by a run that finds its setting there, and by one that does not', async (t) => {
    const machine = await Machine.make(t, FILES)
    const options = [...TARGET, '--runtime-version', '20.10']
    await machine.sure('docker', ...options)
    const mine = await machine.read(DAEMON_JSON)
    await machine.write(DAEMON_JSON, mine.replace('true', 'false'))
    assert.match(await machine.sure('docker', ...options), /nothing to do/)

    await machine.write(DAEMON_JSON, '{ "debug": false }\n')
    assert.equal((await machine.configure('docker', ...options)).code, 1)
    await machine.sure('docker', ...options, '--force')
    assert.match(await machine.read(DAEMON_JSON), /7070/)
    await machine.sure('docker', '--undo')
    assert.equal(await machine.read(DAEMON_JSON), '{ "debug": false }\n')
  })

  it('back to what it was has nothing to undo', async (t) => {
    const machine = await Machine.make(t, FILES)
    const before = await machine.tree()
    await machine.sure('docker', ...TARGET, '--runtime-version', '20.10')
    await machine.write(DAEMON_JSON, FILES[DAEMON_JSON])
    await chmod(machine.at(DAEMON_JSON), 0o644)
    assert.match(await machine.sure('docker', '--undo'), /nothing to undo/)
    assert.deepEqual(await machine.tree(), before)
  })
})

describe('what could break or be lost', () => {
  it('a run that is cut off between its record and its files is taken up, or undone', async (t) => {
    for (const next of [[...TARGET], ['--undo']]) {
      const machine = await Machine.make(t, FILES)
      const before = await machine.tree()
      await machine.sure('containerd', ...TARGET)
      const written = await machine.read(HOSTS)
      await machine.sure('containerd', ...TARGET.with(-1, 'http://127.0.0.1:7171'))
      await machine.write(HOSTS, written)
      await machine.sure('containerd', ...next)
      if (next.length > 1) assert.equal(await machine.read(HOSTS), written)
      await machine.sure('containerd', '--undo')
      assert.deepEqual(await machine.tree(), before)
    }
  })

  it('a broken file is named with its line, and nothing at all is written', async (t) => {
    const machine = await Machine.make(t, { ...FILES, [MAIN]: 'version = 2\n\n[plugins\n' })
    const before = await machine.tree()
    const { code, stderr } = await machine.configure('containerd', ...TARGET)
    assert.equal(code, 2)
    assert.match(stderr, /^shoal: \/etc\/containerd\/config\.toml:3: not valid TOML/)
    assert.deepEqual(await machine.tree(), before)
    await writeFile(machine.at(DAEMON_JSON), Buffer.from([0x7b, 0xff, 0x7d]))
    assert.match(
      (await machine.configure('docker', ...TARGET, '--runtime-version', '20.10')).stderr,
      /daemon\.json: not text/,
    )
  })

  it('symbolic links stay, and lead nowhere out of --root', async (t) => {
    const machine = await Machine.make(t, { '/srv/daemon.json': '{}\n' })
    const outside = join(dirname(machine.root), 'srv')
    await mkdir(outside)
    await writeFile(join(outside, 'daemon.json'), '{}\n')
    await mkdir(machine.at('/etc/docker'), { recursive: true })
    for (const target of ['/srv/daemon.json', '../../srv/daemon.json', '../../../../srv/daemon.json']) {
      await symlink(target, machine.at(DAEMON_JSON))
      const before = await machine.tree()
      await machine.sure('docker', ...TARGET, '--runtime-version', '20.10')
      assert.match(await machine.read('/srv/daemon.json'), /7070/, target)
      assert.equal(await readlink(machine.at(DAEMON_JSON)), target)
      assert.equal(await readFile(join(outside, 'daemon.json'), 'utf8'), '{}\n', target)
      await machine.sure('docker', '--undo')
      assert.deepEqual(await machine.tree(), before)
      await unlink(machine.at(DAEMON_JSON))
    }
    await mkdir(machine.at(dirname(machine.root)), { recursive: true })
    await symlink(dirname(machine.root), machine.at('/etc/docker/certs.d'))
    await machine.sure('docker', ...TARGET, '--runtime-version', '29.4')
    assert.deepEqual(await readdir(dirname(machine.root)), ['root', 'srv'])
    assert.match(await machine.read(join(dirname(machine.root), 'registry.corp/hosts.toml')), /7070/)
    await machine.sure('docker', '--undo')
    await unlink(machine.at('/etc/docker/certs.d'))
    await symlink('certs.d', machine.at('/etc/docker/certs.d'))
    assert.match((await machine.configure('docker', ...TARGET, '--runtime-version', '29.4')).stderr, /symbolic links/)
  })

  it('a record that others may write to, or a lost backup, is not believed', async (t) => {
    const machine = await Machine.make(t, FILES)
    const record = machine.at('/etc/shoal/configure/record.json')
    await machine.sure('docker', ...TARGET, '--runtime-version', '20.10')
    assert.equal((await stat(record)).mode & 0o777, 0o600)
    await chmod(record, 0o666)
    assert.match((await machine.configure('docker', '--undo')).stderr, /others may write/)
    await chmod(record, 0o600)
    await machine.write('/etc/shoal/configure/before/etc/docker/daemon.json', '{}')
    assert.match((await machine.configure('docker', '--undo')).stderr, /is lost or changed/)
  })

  it('wrong usage is told as such', async (t) => {
    const machine = await Machine.make(t, {})
    const wrong: readonly (readonly string[])[] = [
      ['rkt'],
      ['docker'],
      ['podman', '--restart'],
      ['podman', '--registry', 'word'],
      ['podman', '--mirror', 'https://127.0.0.1:7070/x'],
      ['docker', '--runtime-version', 'new'],
      ['podman', '--store', 'classic'],
    ]
    for (const args of wrong) {
      const { code, stderr } = await machine.configure(...args)
      assert.equal(code, 2, args.join(' '))
      assert.match(stderr, /^shoal: [^\n]+\n$/)
    }
  })
})
