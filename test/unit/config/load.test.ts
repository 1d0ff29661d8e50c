import assert from 'node:assert/strict'
import { chmod, chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import type { ConfigInput } from '../../../src/config/index.ts'
import { loadConfig, redact } from '../../../src/config/index.ts'
import { TempDir } from '../../support/temp-dir.ts'

/** The lines of the error that loading ends with. */
async function problems(input: ConfigInput): Promise<string[]> {
  try {
    await loadConfig(input)
  } catch (error) {
    assert.ok(isShoalError(error, 'CONFIG_INVALID'), String(error))
    return error.message.split('\n')
  }
  return []
}

async function fileProblems(text: string): Promise<string[]> {
  await using dir = await TempDir.make()
  const file = join(dir.path, 'agent.yaml')
  await writeFile(file, text)
  return (await problems({ file, cwd: dir.path })).map((line) => line.replace(dir.path, ''))
}

describe('loading a configuration', () => {
  it('puts the environment over the file, and --set over both', async () => {
    await using dir = await TempDir.make()
    const file = join(dir.path, 'agent.yaml')
    await writeFile(
      file,
      'store: { path: /file, capacity: 1GiB, minFree: 1MiB, scrub: 0 }\ntags: { ttl: 1m }\nfleet:\n',
    )
    const env = { SHOAL_STORE_PATH: '/env', SHOAL_STORE_CAPACITY: '2GiB', PATH: '/bin' }
    const { config } = await loadConfig({ file, env, set: ['store.path=/first', 'store.path=/set'] })
    const sizes = { capacityBytes: 2 * 1024 ** 3, minFreeBytes: 1024 ** 2 }
    assert.deepEqual(config.store, { path: '/set', scrubMs: 0, ...sizes })
    assert.deepEqual(config.tags, { ttlMs: 60_000, maxStaleMs: 86_400_000 })
  })

  it('reads variables with words split or not, lists with commas or as JSON, and maps', async () => {
    const { config } = await loadConfig({
      env: {
        SHOAL_STORE_MIN_FREE: '3GiB',
        SHOAL_TAGS_MAXSTALE: '1h',
        SHOAL_TIER_CACHES: '10.0.0.2:7071, dns:cache.example:7071',
        SHOAL_TIER_LABELS: 'disk=ssd,pool=web',
        SHOAL_TIER_ZONE: '12',
        SHOAL_PEER_ANNOUNCE: '["[2001:db8::1]:7071"]',
        SHOAL_LOG_PRETTY: 'false',
        SHOAL_ROLE: 'cache',
      },
    })
    assert.equal(config.store.minFreeBytes, 3 * 1024 ** 3)
    assert.equal(config.tags.maxStaleMs, 3_600_000)
    assert.deepEqual(config.tier.caches, ['10.0.0.2:7071', 'dns:cache.example:7071'])
    assert.deepEqual(config.tier.labels, { disk: 'ssd', pool: 'web' })
    assert.equal(config.tier.zone, '12')
    assert.deepEqual(config.peer.announce, ['[2001:db8::1]:7071'])
    assert.equal(config.log.pretty, false)
    assert.equal(config.role, 'cache')
  })

  it('lets the variables pass that Kubernetes makes for a Service called shoal', async () => {
    const env = {
      SHOAL_SERVICE_HOST: '10.1.2.3',
      SHOAL_SERVICE_PORT: '7071',
      SHOAL_CACHE_SERVICE_PORT_PEER: '7071',
      SHOAL_PORT: 'tcp://10.1.2.3:7071',
      SHOAL_PORT_7071_TCP: 'tcp://10.1.2.3:7071',
      SHOAL_PORT_7071_TCP_ADDR: '10.1.2.3',
    }
    assert.deepEqual(await problems({ env }), [])
  })

  it('sets entries of lists by index, also of lists that are only defaults', async () => {
    const set = ['upstreams.0.access=node', 'upstreams.1.origins.0.path=/srv', 'search.0=docker.io']
    const { config } = await loadConfig({ set, cwd: '/' })
    assert.equal(config.upstreams[0]?.access, 'node')
    assert.equal(config.upstreams[0]?.name, 'docker.io')
    assert.deepEqual(config.upstreams[1]?.origins, [{ kind: 'directory', path: '/srv', use: null, repository: null }])
    assert.deepEqual(config.search, ['docker.io'])
  })

  it('reads with the credentials that are there, unless access says otherwise', async () => {
    const url = 'upstreams.0.origins.0.url=https://r.test'
    const credentials = 'upstreams.0.origins.0.credentials={ username: u, password: p }'
    assert.equal((await loadConfig({ set: [url] })).config.upstreams[0]?.access, 'public')
    assert.equal((await loadConfig({ set: [url, credentials] })).config.upstreams[0]?.access, 'node')
  })

  it('freezes what it answers, to the bottom', async () => {
    const { config } = await loadConfig({})
    assert.ok(Object.isFrozen(config))
    assert.ok(Object.isFrozen(config.upstreams[0]?.origins[0]))
  })

  it('opens the peer port to others only with a key, unless told where to listen', async () => {
    await using dir = await TempDir.make()
    const key = join(dir.path, 'fleet.key')
    await writeFile(key, 'secret', { mode: 0o600 })
    const listen = async (...set: string[]) => (await loadConfig({ set })).config.peer.listen
    assert.deepEqual(await listen(), { host: '127.0.0.1', port: 7071 })
    const everywhere = await listen(`fleet.keyFile=${key}`)
    assert.ok(['::', '0.0.0.0'].includes(everywhere.host) && everywhere.port === 7071, everywhere.host)
    assert.deepEqual(await listen('peer.listen=127.0.0.9:1'), { host: '127.0.0.9', port: 1 })
    assert.deepEqual(await listen('peer.listen="[::1]:0"'), { host: '::1', port: 0 })
  })

  it('knows Docker Hub by one name', async () => {
    const { config } = await loadConfig({ set: ['upstreams.0.name=Index.Docker.io', 'search=[registry-1.docker.io]'] })
    assert.equal(config.upstreams[0]?.name, 'docker.io')
    assert.deepEqual(config.search, ['docker.io'])
  })
})

describe('a wrong configuration', () => {
  it('is told all at once, each problem on a line with its place, key, fault and what is allowed', async () => {
    assert.deepEqual(
      await fileProblems(`rol: agent
store:
  capacty: 5GiB
  minFree: plenty
log: { level: loud }
`),
      [
        '/agent.yaml:1: rol: unknown key; the nearest is role; allowed here: role, mirror, peer, admin, store, tier, fleet, limits, transfer, prewarm, tags, search, upstreams, log, tracing',
        '/agent.yaml:4: store.minFree: "plenty" is not a size; allowed: a size such as 2GiB, or 0',
        '/agent.yaml:3: store.capacty: unknown key; the nearest is store.capacity; allowed here: path, capacity, minFree, scrub',
        '/agent.yaml:5: log.level: "loud" is not allowed; allowed: trace, debug, info, warn, error or silent',
      ],
    )
  })

  it('names the variable or flag it comes from', async () => {
    const lines = await problems({
      env: { SHOAL_STORE_PAHT: '/x', SHOAL_TAGS_TTL: 'soon' },
      set: [
        'store',
        'capacity=1GiB',
        'mirror.listen=7070',
        'role=[',
        'store.path=*x',
        'upstreams.7.name=x',
        'tier.labels.__proto__=x',
      ],
    })
    assert.deepEqual(
      lines.map((line) => line.split(';')[0]),
      [
        'SHOAL_STORE_PAHT: store.paht: unknown key',
        '--set store: has no value',
        '--set capacity: unknown key',
        '--set role: the value is not valid YAML',
        '--set store.path: the value is not valid YAML',
        '--set tier.labels.__proto__: unknown key',
        "--set upstreams.7.name: is beyond the list's end",
        '--set mirror.listen: 7070 is not an address',
        'SHOAL_TAGS_TTL: tags.ttl: "soon" is not a length of time',
      ],
    )
    assert.match(lines[2] ?? '', /nearest is store\.capacity/)
  })

  const single: readonly [name: string, yaml: string, problem: RegExp][] = [
    ['a port above 65535', 'mirror: { listen: "127.0.0.1:70700" }', /mirror\.listen: .*is not an address/],
    ['a mistyped IPv4 address', 'mirror: { listen: "127.0.0.256:7070" }', /mirror\.listen: .*is not an address/],
    [
      'a zone, which has a meaning on one machine',
      'mirror: { listen: "[fe80::1%eth0]:1" }',
      /mirror\.listen: .*is not an address/,
    ],
    [
      'peers on a name',
      'peer: { listen: "my-host:7071" }',
      /peer\.listen: .*names are not; allowed: auto, or address:port/,
    ],
    [
      'more addresses than a hello carries',
      `peer: { announce: [${'"a:1", '.repeat(8)}"a:1"] }`,
      /peer\.announce: .*is too long; allowed: a list of at most 8/,
    ],
    ['a cache on port 0', 'tier: { caches: ["10.0.0.2:0"] }', /tier\.caches\.0: .*is not an address/],
    ['a list that is none', 'tier: { caches: "10.0.0.2:7071" }', /tier\.caches: .*is not a list/],
    ['a store too small to hold a layer', 'store: { capacity: 1MiB }', /store\.capacity: "1MiB" is below 64MiB/],
    ['a ttl above its range', 'tags: { ttl: 365d }', /tags\.ttl: "365d" is above 30d/],
    ['a region that is no name', 'tier: { region: "" }', /tier\.region: "" is not a region name/],
    ['a file that is no map', '- role', /agent\.yaml:1: is not a group of keys/],
    [
      'an origin of unknown kind',
      'upstreams: [{ name: a, origins: [{ kind: ftp }] }]',
      /kind: .*s3, directory, layout or registry/,
    ],
    [
      'credentials that nobody would use',
      'upstreams: [{ name: a, access: public, origins: [{ kind: registry, url: "https://a", credentials: { username: u, password: p } }] }]\nsearch: []',
      /upstreams\.0\.access: public would never use the credentials/,
    ],
    ...[
      ['access: node', /upstreams\.0\.access: "\*" is public/],
      ['access: passthrough, origins: [{ kind: registry, url: "https://a" }]', /upstreams\.0\.access: "\*" is public/],
      ['origins: [{ kind: directory, path: x }]', /upstreams\.0\.origins: .*kind registry only/],
      [
        'origins: [{ kind: registry, url: "https://{upstream}", credentials: { username: u, password: p } }]',
        /upstreams\.0\.origins: "\*" has no credentials/,
      ],
      [
        'origins: [{ kind: registry, url: "https://a", namespace: b.io }]',
        /upstreams\.0\.origins: "\*" sets namespace/,
      ],
      ['origins: [{ kind: registry, url: "http://{upstream}" }]', /upstreams\.0\.origins\.0\.url: .*plain http/],
    ].map(([rest, problem]): [string, string, RegExp] => [
      `"*" with ${rest}`,
      `upstreams: [{ name: "*", ${rest} }]`,
      problem as RegExp,
    ]),
    [
      'the registry that is meant, of one that is written down',
      'upstreams: [{ name: a, origins: [{ kind: registry, url: "https://{upstream}" }] }]',
      /upstreams\.0\.origins: .*for the upstream "\*" only/,
    ],
    ['an upstream without origins', 'upstreams: [{ name: a }]\nsearch: []', /upstreams\.0\.origins: is missing/],
    [
      'an upstream name with a path',
      'upstreams: [{ name: a/b, origins: [{ kind: directory, path: x }] }]',
      /upstreams\.0\.name/,
    ],
    ['admin off loopback without token', 'admin: { listen: "0.0.0.0:7072" }', /admin\.listen: .*set admin\.tokenFile/],
    ['peers off loopback without key', 'peer: { listen: "0.0.0.0:7071" }', /peer\.listen: .*set fleet\.keyFile/],
    ...[
      ['node', 'access: node, origins: [{ kind: directory, path: x }]', 'access: node'],
      ['bucket', 'origins: [{ kind: s3, bucket: abc }]', 'an s3 bucket'],
      [
        'credentials',
        'origins: [{ kind: registry, url: "https://a", credentials: { username: u, password: p } }]',
        'credentials',
      ],
    ].flatMap(([what, upstream, rights]) =>
      ['0.0.0.0:7070', '[::]:7070', '10.0.0.5:7070'].map((listen): [string, string, RegExp] => [
        `a mirror on ${listen} that lends out its rights (${what})`,
        `mirror: { listen: "${listen}" }\nupstreams: [{ name: corp, ${upstream} }]\nsearch: []`,
        new RegExp(`mirror\\.listen: .*corp \\(${rights}\\).*mirror\\.open: true`),
      ]),
    ),
    ['a search for an unknown upstream', 'search: [quay.io]', /search\.0: "quay\.io".*allowed: docker\.io, local/],
    ['a missing key file', 'fleet: { keyFile: /nonexistent/key }', /fleet\.keyFile: \/nonexistent\/key does not exist/],
    ['a directory as token file', 'admin: { tokenFile: / }', /admin\.tokenFile: \/ is no file/],
    [
      'an upstream that is there twice, by another name',
      'upstreams: [{ name: docker.io, origins: [{ kind: directory, path: x }] }, { name: index.docker.io, origins: [{ kind: directory, path: x }] }]\nsearch: []',
      /upstreams\.1\.name: docker\.io is there twice/,
    ],
    [
      'passthrough with an origin that cannot check a token',
      'upstreams: [{ name: a, access: passthrough, origins: [{ kind: registry, url: "https://a" }, { kind: s3, bucket: abc }] }]\nsearch: []',
      /upstreams\.0\.access: passthrough needs origins of kind registry only/,
    ],
    [
      'half of a user name and password',
      'upstreams: [{ name: a, origins: [{ kind: registry, url: "https://a", credentials: { username: u } }] }]\nsearch: []',
      /credentials: needs either file, or username and password/,
    ],
  ]
  for (const [name, yaml, problem] of single) {
    it(`is refused: ${name}`, async () => {
      const lines = await fileProblems(yaml)
      assert.equal(lines.length, 1, lines.join('\n'))
      assert.match(lines[0] ?? '', problem)
    })
  }

  it('takes "*" alone, beside others, with a mirror, and in the search order, where it means nothing', async () => {
    for (const [yaml, search] of [
      ['upstreams: [{ name: "*" }]', []],
      ['upstreams: [{ name: "*" }]\nsearch: ["*"]', []],
      ['upstreams: [{ name: "*" }]\nsearch: [quay.io]', ['quay.io']],
      ['upstreams: [{ name: "*", access: public, origins: [{ kind: registry, url: "https://{upstream}/" }] }]', []],
      [
        'upstreams: [{ name: local, origins: [{ kind: directory, path: x }] }, { name: "*", origins: [{ kind: registry, url: "http://mirror:7070" }] }]',
        ['local'],
      ],
    ] as const) {
      await using dir = await TempDir.make()
      const file = join(dir.path, 'agent.yaml')
      await writeFile(file, yaml)
      assert.deepEqual((await loadConfig({ file, cwd: dir.path })).config.search, search, yaml)
    }
  })

  it('names file and line of a syntax error, and a file that is not there', async () => {
    assert.match((await fileProblems('role: agent\nstore: {\n')).join(), /agent\.yaml:3:1: not valid YAML/)
    assert.match((await fileProblems('role: agent\nrole: cache\n')).join(), /agent\.yaml:2:1: not valid YAML.*unique/)
    assert.match((await problems({ file: '/nonexistent.yaml' })).join(), /^\/nonexistent\.yaml: cannot be read/)
  })

  it('never shows a secret', async () => {
    const lines = await fileProblems(`search: []
upstreams:
  - name: a
    origins:
      - { kind: registry, url: "https://user:hunter2@a", credentials: { username: u, password: 12345 } }
      - { kind: s3, bucket: abc, credentials: { accessKeyId: A, secretAccessKey: 67890 } }
`)
    assert.equal(lines.length, 3, lines.join('\n'))
    assert.doesNotMatch(lines.join('\n'), /hunter2|12345|67890/)
  })
})

describe('a mirror off loopback', () => {
  for (const [what, yaml] of [
    ['what anybody may read', 'mirror: { listen: "0.0.0.0:7070" }'],
    [
      "only what each client's own token opens",
      'mirror: { listen: "0.0.0.0:7070" }\nupstreams: [{ name: a, access: passthrough, origins: [{ kind: registry, url: "https://a" }] }]\nsearch: []',
    ],
    [
      'what somebody said may be lent to everybody',
      'mirror: { listen: "0.0.0.0:7070", open: true }\nupstreams: [{ name: a, access: node, origins: [{ kind: s3, bucket: abc }] }]\nsearch: []',
    ],
  ] as const) {
    it(`may serve ${what}`, async () => assert.deepEqual(await fileProblems(yaml), []))
  }
})

describe('files of secrets', () => {
  it('that others can read are worth a warning', { skip: process.platform === 'win32' }, async () => {
    await using dir = await TempDir.make()
    const file = join(dir.path, 'token')
    await writeFile(file, 'secret')
    await chmod(file, 0o644)
    const load = () => loadConfig({ set: ['admin.tokenFile=token'], cwd: dir.path })
    const { config, warnings } = await load()
    assert.equal(config.admin.tokenFile, file)
    assert.deepEqual(warnings, ['--set admin.tokenFile: token can be read by other users; run chmod 600 on it'])
    await chmod(file, 0o600)
    assert.deepEqual((await load()).warnings, [])
  })

  const skip = process.getuid?.() === 0 ? false : 'only root lends files'
  it("that root lends to the agent's own group, as packages and pods do, are private", { skip }, async () => {
    await using dir = await TempDir.make()
    const file = join(dir.path, 'token')
    await writeFile(file, 'secret')
    const warnings = async (uid: number, gid: number, mode: number): Promise<number> => {
      await chown(file, uid, gid)
      await chmod(file, mode)
      return (await loadConfig({ set: ['admin.tokenFile=token'], cwd: dir.path })).warnings.length
    }
    const own = process.getegid?.() ?? 0
    assert.equal(await warnings(0, own, 0o640), 0)
    assert.equal(await warnings(0, own, 0o660), 1)
    assert.equal(await warnings(0, 54_321, 0o640), 1)
    assert.equal(await warnings(54_321, own, 0o640), 1)
  })
})

describe('a redacted configuration', () => {
  it('keeps everything but passwords, secret keys and session tokens', async () => {
    const origins = JSON.stringify([
      { kind: 'registry', url: 'https://a', credentials: { username: 'u', password: 'hunter2' } },
      {
        kind: 's3',
        bucket: 'abc',
        credentials: { accessKeyId: 'A', secretAccessKey: 'hunter2', sessionToken: 'hunter2' },
      },
      { kind: 'registry', url: 'https://b' },
    ])
    const { config } = await loadConfig({ set: [`upstreams.0.origins=${origins}`] })
    const shown = redact(config)
    assert.doesNotMatch(JSON.stringify(shown), /hunter2/)
    assert.match(JSON.stringify(shown), /"username":"u"/)
    assert.deepEqual(shown.store, config.store)
    assert.match(JSON.stringify(config), /hunter2/)
  })
})
