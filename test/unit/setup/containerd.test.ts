import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SetupGoal, SetupPlan } from '../../../src/setup/index.ts'
import { parseVersion, planSetup } from '../../../src/setup/index.ts'
import { docsBlock } from '../../support/docs-block.ts'
import { fileTexts } from '../../support/file-texts.ts'

const MAIN = '/etc/containerd/config.toml'
const HOSTS = '/etc/containerd/certs.d/registry.corp/hosts.toml'

function plan(version: string, files: Readonly<Record<string, string>>): SetupPlan {
  const goal: SetupGoal = {
    runtime: 'containerd',
    version: parseVersion(version),
    store: undefined,
    mirror: 'http://127.0.0.1:7070',
    registries: ['registry.corp'],
  }
  return planSetup(goal, fileTexts(files))
}

function texts(version: string, files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(plan(version, files).files.map(({ path, text }) => [path, text]))
}

const V1 = '[plugins.cri.registry]\n  config_path = "/etc/containerd/certs.d"\n'
const V2 = '[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n'
const V3 = '[plugins."io.containerd.cri.v1.images".registry]\n  config_path = "/etc/containerd/certs.d"\n'
const CNI = '[plugins."io.containerd.grpc.v1.cri".cni]\n  bin_dir = "/usr/lib/cni" # Debian\'s\n'

describe('what containerd is told', () => {
  const rows: readonly { name: string; version: string; before?: string; after: string }[] = [
    { name: '1.5 without a file', version: '1.5', after: `version = 2\n\n${V2}` },
    { name: '1.7 without a file', version: '1.7', after: `version = 2\n\n${V2}` },
    { name: '2.0 without a file', version: '2.0', after: `version = 3\n\n${V3}` },
    { name: '2.4 with an empty file', version: '2.4', before: '', after: `version = 3\n\n${V3}` },
    {
      name: '1.6 with other settings',
      version: '1.6',
      before: `version = 2\n\n${CNI}`,
      after: `version = 2\n\n${CNI}\n${V2}`,
    },
    {
      name: '2.1 with a file of the form of 1.x',
      version: '2.1',
      before: `version = 2\n\n${CNI}`,
      after: `version = 2\n\n${CNI}\n${V2}`,
    },
    { name: 'a file of the first form', version: '1.6', before: 'oom_score = 0', after: `oom_score = 0\n\n${V1}` },
    { name: 'an unknown version by its file', version: '', before: 'version = 3\n', after: `version = 3\n\n${V3}` },
    {
      name: 'what "containerd config default" has written',
      version: '1.7',
      before:
        'version = 2\n[plugins]\n\n  [plugins."io.containerd.grpc.v1.cri".registry]\n    config_path = "" # none\n\n    [plugins."io.containerd.grpc.v1.cri".registry.mirrors]\n',
      after:
        'version = 2\n[plugins]\n\n  [plugins."io.containerd.grpc.v1.cri".registry]\n    config_path = "/etc/containerd/certs.d" # none\n\n    [plugins."io.containerd.grpc.v1.cri".registry.mirrors]\n',
    },
    {
      name: 'a table without the key',
      version: '2.1',
      before: "version = 3\n\n[plugins.'io.containerd.cri.v1.images'.registry]\n# nothing yet\n",
      after:
        'version = 3\n\n[plugins.\'io.containerd.cri.v1.images\'.registry]\n  config_path = "/etc/containerd/certs.d"\n# nothing yet\n',
    },
  ]
  for (const { name, version, before, after } of rows) {
    it(name, () => {
      const { files } = plan(version, before === undefined ? {} : { [MAIN]: before })
      assert.deepEqual(
        files.map(({ path, needs }) => [path, needs]),
        [
          [MAIN, 'restart'],
          [HOSTS, 'nothing'],
        ],
      )
      assert.equal(files[0]?.text, after)
    })
  }

  it('the same as the guide shows', () => {
    const { [MAIN]: two, [HOSTS]: hosts } = texts('2.1', {})
    assert.equal(two, docsBlock('docs/runtimes.md', 'containerd 2 config.toml'))
    assert.equal(texts('1.6', {})[MAIN], docsBlock('docs/runtimes.md', 'containerd 1 config.toml'))
    assert.equal(hosts?.split('\n').slice(1).join('\n'), docsBlock('docs/runtimes.md', 'containerd hosts.toml'))
  })

  it('a directory that is configured already is used, and nothing has to be restarted', () => {
    const set = V2.replace('/etc/containerd/certs.d', '/srv/certs')
    assert.deepEqual(Object.keys(texts('1.6', { [MAIN]: `version = 2\n${set}` })), [
      '/srv/certs/registry.corp/hosts.toml',
    ])
    const both = V3.replace('certs.d', 'certs.d:/etc/docker/certs.d')
    const { files, notes } = plan('2.1', { [MAIN]: `version = 3\n${both}` })
    assert.deepEqual(
      files.map(({ path }) => path),
      [HOSTS],
    )
    assert.match(notes.join('\n'), /several directories/)
  })

  it('the old way to configure registries is not joined by the new: containerd would drop its Kubernetes interface', () => {
    const cri = 'plugins."io.containerd.grpc.v1.cri".registry'
    for (const old of [
      `[${cri}.mirrors."docker.io"]\nendpoint = ["https://a"]\n`,
      `[${cri}.configs."a".tls]\nca_file = "x"\n`,
    ]) {
      assert.throws(() => plan('1.6', { [MAIN]: `version = 2\n${old}` }), {
        code: 'SETUP_REFUSED',
        message: /by hand:[\s\S]*config_path = /,
      })
    }
    const login = `[${cri}.configs."a".auth]\nusername = "u"\n`
    assert.doesNotThrow(() => plan('1.6', { [MAIN]: `version = 2\n${login}` }))
  })

  it("Docker's containerd, with its Kubernetes interface off, gets hosts.toml alone", () => {
    const { files, notes } = plan('1.7', { [MAIN]: 'disabled_plugins = ["cri"]\n' })
    assert.deepEqual(
      files.map(({ path }) => path),
      [HOSTS],
    )
    assert.match(notes.join('\n'), /--hosts-dir/)
  })

  it('a version that nobody knows is asked for where it matters, and one too old refused', () => {
    assert.throws(() => plan('', {}), { code: 'CONFIG_INVALID', message: /--runtime-version/ })
    assert.throws(() => plan('1.4', {}), { code: 'SETUP_REFUSED', message: /1\.5 and later/ })
  })

  it('files that cannot be read or edited as text are named, with the line or with what to write', () => {
    assert.throws(() => plan('1.6', { [MAIN]: 'version = 2\noom_score =\n' }), {
      code: 'CONFIG_INVALID',
      message: /^\/etc\/containerd\/config\.toml:2: not valid TOML/,
    })
    const inline = 'version = 2\nplugins = { "io.containerd.grpc.v1.cri" = { sandbox_image = "a" } }\n'
    assert.throws(() => plan('1.6', { [MAIN]: inline }), { code: 'SETUP_REFUSED', message: /by hand:\n\[plugins/ })
  })
})

describe("containerd's imports", () => {
  const imports = 'imports = ["/etc/containerd/conf.d/*.toml"]\n'
  const dropIn = '/etc/containerd/conf.d/50-shoal.toml'
  const other = '/etc/containerd/conf.d/10-other.toml'

  it('are where the setting goes when nothing else configures the plugin', () => {
    const found = texts('2.0', { [MAIN]: `version = 3\n${imports}` })
    assert.deepEqual(Object.keys(found), [dropIn, HOSTS])
    assert.equal(found[dropIn], `version = 3\n\n${V3}`)
  })

  it('of containerd 1 replace a plugin as a whole: the last file with the plugin is changed', () => {
    assert.deepEqual(Object.keys(texts('1.6', { [MAIN]: `version = 2\n${imports}${CNI}` })), [MAIN, HOSTS])
    const files = { [MAIN]: `version = 2\n${imports}${V2}`, [other]: `version = 2\n${CNI}` }
    assert.deepEqual(Object.keys(texts('1.6', files)), [other, HOSTS])
  })

  it('of containerd 2 are merged: the last word on the key counts', () => {
    const set = V2.replace('/etc/containerd/certs.d', '/srv/certs')
    const files = { [MAIN]: `version = 2\n${set}`, [other]: `version = 2\n${CNI}` }
    assert.deepEqual(Object.keys(texts('2.1', { ...files, [MAIN]: `version = 2\n${imports}${set}` })), [
      '/srv/certs/registry.corp/hosts.toml',
    ])
    const byDefault = { [MAIN]: `version = 2\n${CNI}`, [other]: `version = 2\n${set}` }
    assert.deepEqual(Object.keys(texts('2.2', byDefault)), ['/srv/certs/registry.corp/hosts.toml'])
    assert.deepEqual(Object.keys(texts('2.1', byDefault)), [MAIN, HOSTS])
  })
})
