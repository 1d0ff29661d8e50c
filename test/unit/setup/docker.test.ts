import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ImageStore, SetupGoal, SetupPlan } from '../../../src/setup/index.ts'
import { parseVersion, planSetup } from '../../../src/setup/index.ts'
import { docsBlock } from '../../support/docs-block.ts'
import { fileTexts } from '../../support/file-texts.ts'

const MIRROR = 'http://127.0.0.1:7070'
const DAEMON_JSON = '/etc/docker/daemon.json'
const FEATURE = '{ "features": { "containerd-snapshotter": true } }'
const FEATURE_OFF = '{ "features": { "containerd-snapshotter": false } }'

interface Host {
  readonly version?: string
  readonly store?: ImageStore
  readonly registries?: readonly string[]
  readonly files?: Readonly<Record<string, string>>
}

function plan({ version = '29.4', store, registries = ['docker.io', 'registry.corp'], files = {} }: Host): SetupPlan {
  const goal: SetupGoal = { runtime: 'docker', version: parseVersion(version), store, mirror: MIRROR, registries }
  return planSetup(goal, fileTexts(files))
}

function texts(host: Host): Readonly<Record<string, string>> {
  return Object.fromEntries(plan(host).files.map(({ path, text }) => [path, text]))
}

const HUB_HOSTS = '/etc/docker/certs.d/docker.io/hosts.toml'
const CORP_HOSTS = '/etc/docker/certs.d/registry.corp/hosts.toml'
const UPGRADED = { '/var/lib/docker/overlay2/l': '' }
const REMAPPED = { [DAEMON_JSON]: '{ "userns-remap": "default" }' }
const MOVED = { [DAEMON_JSON]: '{ "data-root": "/srv/docker" }', '/srv/docker/overlay2/l': '' }

describe('what Docker is told', () => {
  const rows: readonly {
    name: string
    host: Host
    store: ImageStore
    files: readonly string[]
    referrers?: boolean
  }[] = [
    { name: '20.10', host: { version: '20.10' }, store: 'classic', files: [DAEMON_JSON] },
    { name: '28 as it comes', host: { version: '28.2' }, store: 'classic', files: [DAEMON_JSON] },
    {
      name: '28 with the containerd store',
      host: { version: '28.2', files: { [DAEMON_JSON]: FEATURE } },
      store: 'containerd',
      files: [DAEMON_JSON, HUB_HOSTS, CORP_HOSTS],
    },
    { name: '29.0 installed anew', host: { version: '29.0' }, store: 'containerd', files: [HUB_HOSTS, CORP_HOSTS] },
    {
      name: '29.1 installed anew',
      host: { version: '29.1' },
      store: 'containerd',
      files: [HUB_HOSTS, CORP_HOSTS],
      referrers: true,
    },
    {
      name: '30 installed anew',
      host: { version: '30.0' },
      store: 'containerd',
      files: [HUB_HOSTS, CORP_HOSTS],
      referrers: true,
    },
    { name: '29 on an upgraded host', host: { files: UPGRADED }, store: 'classic', files: [DAEMON_JSON] },
    {
      name: '29 on an upgraded host with its data elsewhere',
      host: { files: MOVED },
      store: 'classic',
      files: [DAEMON_JSON],
    },
    { name: '29 that maps users', host: { files: REMAPPED }, store: 'classic', files: [DAEMON_JSON] },
    {
      name: '29 on an upgraded host that was switched over',
      host: { files: { ...UPGRADED, [DAEMON_JSON]: FEATURE } },
      store: 'containerd',
      files: [HUB_HOSTS, CORP_HOSTS],
      referrers: true,
    },
    {
      name: '29 switched back',
      host: { files: { [DAEMON_JSON]: FEATURE_OFF } },
      store: 'classic',
      files: [DAEMON_JSON],
    },
    {
      name: 'no version, but its store',
      host: { version: '', store: 'classic' },
      store: 'classic',
      files: [DAEMON_JSON],
    },
  ]
  for (const { name, host, store, files, referrers = false } of rows) {
    it(name, () => {
      const found = plan(host)
      assert.equal(found.store, store)
      assert.deepEqual(
        found.files.map(({ path }) => path),
        files,
      )
      for (const { path, text, needs } of found.files) {
        assert.equal(needs, path === DAEMON_JSON ? 'reload' : 'nothing')
        assert.ok(text.includes(`"${MIRROR}"`), text)
        if (path !== DAEMON_JSON) assert.equal(text.includes('"referrers"'), referrers, text)
      }
    })
  }

  it('the same as the guide shows', () => {
    const hosts = texts({ registries: ['registry.corp'] })[CORP_HOSTS]
    assert.equal(hosts?.split('\n').slice(1).join('\n'), docsBlock('docs/runtimes.md', 'docker hosts.toml'))
    const daemon = texts({ version: '28.0' })[DAEMON_JSON] ?? ''
    assert.deepEqual(JSON.parse(daemon), JSON.parse(docsBlock('docs/runtimes.md', 'daemon.json')))
  })

  it('the classic store is told of Docker Hub only, and the user how to pull the rest', () => {
    const { notes } = plan({ version: '20.10' })
    assert.match(notes.join('\n'), /registry\.corp by the name 127\.0\.0\.1:7070\/registry\.corp\//)
    assert.throws(
      () => plan({ version: '20.10', registries: ['registry.corp:5000'] }),
      /127\.0\.0\.1:7070\/registry\.corp_5000\//,
    )
  })

  it('a version that nobody knows is asked for', () => {
    assert.throws(() => plan({ version: '' }), { code: 'CONFIG_INVALID', message: /--runtime-version/ })
    assert.throws(() => plan({ version: '', store: 'containerd' }), {
      code: 'CONFIG_INVALID',
      message: /--runtime-version/,
    })
  })

  it('all registries are the default directory, whose server is whichever is meant', () => {
    const text = texts({ registries: ['*'] })['/etc/docker/certs.d/_default/hosts.toml'] ?? ''
    assert.match(text, /capabilities/)
    assert.doesNotMatch(text, /^server/m)
  })

  it('a mirror on the command line of dockerd is not joined by one in daemon.json: dockerd would not start', () => {
    for (const path of [
      '/lib/systemd/system/docker.service',
      '/etc/systemd/system/docker.service.d/a.conf',
      '/etc/default/docker',
    ]) {
      const files = { [path]: 'ExecStart=/usr/bin/dockerd --registry-mirror=https://other\n' }
      assert.throws(() => plan({ version: '20.10', files }), { code: 'SETUP_REFUSED', message: new RegExp(path) })
      assert.doesNotThrow(() => plan({ version: '20.10', files: { [path]: '# DOCKER_OPTS="--registry-mirror=x"\n' } }))
    }
  })
})

describe("Docker's hosts.toml", () => {
  it('goes on to ask insecure registries as before: their own setting no longer counts', () => {
    const files = { [DAEMON_JSON]: '{ "insecure-registries": ["registry.corp:5000", "10.0.0.0/8", "fd00::/8"] }' }
    const registries = ['registry.corp:5000', '10.1.2.3:80', 'registry.corp', '11.1.2.3:80', '127.0.0.1:5000']
    const heads = Object.values(texts({ registries, files })).map((text) =>
      text.split('\n').slice(1, 3).join(' ').trim(),
    )
    assert.deepEqual(heads, [
      'server = "http://registry.corp:5000" skip_verify = true',
      'server = "http://10.1.2.3:80" skip_verify = true',
      'server = "https://registry.corp"',
      'server = "https://11.1.2.3:80"',
      '[host."http://127.0.0.1:7070"]',
    ])
  })

  it('names the certificates beside it, which would no longer be looked at', () => {
    const directory = '/etc/docker/certs.d/registry.corp'
    const names = ['ca.crt', 'client.cert', 'client.key', 'other.cert']
    const files = Object.fromEntries(names.map((name) => [`${directory}/${name}`, '']))
    const text = texts({ registries: ['registry.corp'], files })[CORP_HOSTS] ?? ''
    assert.ok(text.includes(`ca = ["${directory}/ca.crt"]\n`), text)
    assert.ok(text.includes(`client = [["${directory}/client.cert", "${directory}/client.key"]]\n`), text)
  })

  it('that somebody else has written gets the mirror as its first host', () => {
    const other =
      '# ours\nserver = "https://registry.corp"\n\n[host."https://other"] # kept\n  capabilities = ["pull"]\n'
    const text = texts({ registries: ['registry.corp'], files: { [CORP_HOSTS]: other } })[CORP_HOSTS] ?? ''
    const block = `[host."${MIRROR}"]\n  capabilities = ["pull", "resolve", "referrers"]\n\n`
    assert.equal(text, other.replace('[host.', `${block}[host.`))
  })

  it('that has the mirror gets what is missing of its capabilities', () => {
    const other = `[host."${MIRROR}"]\n  capabilities = ["resolve", "pull"] # both\n`
    const text = texts({ registries: ['registry.corp'], files: { [CORP_HOSTS]: other } })[CORP_HOSTS]
    assert.equal(text, `[host."${MIRROR}"]\n  capabilities = ["resolve", "pull", "referrers"] # both\n`)
    const open = `[host."${MIRROR}"]\n`
    assert.equal(texts({ registries: ['registry.corp'], files: { [CORP_HOSTS]: open } })[CORP_HOSTS], open)
  })

  it('is in the directory that containerd looks at first', () => {
    const files = { '/etc/docker/certs.d/registry.corp_5000_/ca.crt': '' }
    assert.deepEqual(Object.keys(texts({ registries: ['registry.corp:5000'], files })), [
      '/etc/docker/certs.d/registry.corp_5000_/hosts.toml',
    ])
  })
})

describe('daemon.json', () => {
  const edited = (text: string): string | undefined =>
    texts({ version: '20.10', files: { [DAEMON_JSON]: text } })[DAEMON_JSON]
  const rows: readonly [name: string, before: string, after: string][] = [
    ['empty', '', `{\n  "registry-mirrors": [\n    "${MIRROR}"\n  ]\n}\n`],
    [
      'with tabs and no last line end',
      '{\n\t"debug": true\n}',
      `{\n\t"debug": true,\n\t"registry-mirrors": [\n\t\t"${MIRROR}"\n\t]\n}`,
    ],
    [
      'with other mirrors',
      '{\n  "registry-mirrors": [\n    "https://a"\n  ],\n  "debug": true\n}\n',
      `{\n  "registry-mirrors": [\n    "${MIRROR}",\n    "https://a"\n  ],\n  "debug": true\n}\n`,
    ],
    [
      'with the mirror',
      `{"registry-mirrors":["https://a","${MIRROR}"]}`,
      `{"registry-mirrors":["https://a","${MIRROR}"]}`,
    ],
    [
      'of Windows',
      '{\r\n  "debug": true\r\n}\r\n',
      `{\r\n  "debug": true,\r\n  "registry-mirrors": [\r\n    "${MIRROR}"\r\n  ]\r\n}\r\n`,
    ],
  ]
  for (const [name, before, after] of rows)
    it(`${name} is changed no more than needed`, () => assert.equal(edited(before), after))

  it('that Docker could not read is named with the line', () => {
    assert.throws(() => edited('{\n  "debug": true,\n}\n'), {
      code: 'CONFIG_INVALID',
      message: /^\/etc\/docker\/daemon\.json:3: /,
    })
    assert.throws(() => edited('// no\n{}'), { code: 'CONFIG_INVALID', message: /daemon\.json:1: / })
    assert.throws(() => edited('[]'), { code: 'CONFIG_INVALID', message: /is no JSON object/ })
    assert.throws(() => edited('{"registry-mirrors": "https://a"}'), { code: 'CONFIG_INVALID', message: /is no list/ })
  })
})
