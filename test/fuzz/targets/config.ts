import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { parseAddress } from '../../../src/base/address.ts'
import { classOf } from '../../../src/base/address-class.ts'
import { parseDurationMs, parseRateBytesPerSec, parseSizeBytes } from '../../../src/base/quantity.ts'
import { readImageList } from '../../../src/cli/image-list.ts'
import { loadConfig } from '../../../src/config/index.ts'
import { settingsSchema } from '../../../src/config/schema.ts'
import { jsonLines } from '../../../src/runtime/json-lines.ts'
import { parseJsonObject, putFirst } from '../../../src/setup/json-text.ts'
import { parseToml, setTomlKey } from '../../../src/setup/toml-text.ts'
import { addressGroup } from '../../../src/swarm/index.ts'
import { matchesPattern } from '../../../src/webhook/pattern.ts'
import { near, nearText, textOf, words } from '../damage.ts'
import { altered, jsonBytes } from '../json.ts'
import type { Target } from '../target.ts'
import { valueFor } from '../values.ts'

const YAML = [
  'role: cache\ntier:\n  region: eu-1\n  caches: [10.0.0.1:7071]\n',
  'upstreams:\n  - name: docker.io\n    access: public\n    origins:\n      - {kind: registry, url: https://registry-1.docker.io}\n',
  'store: &a {path: /data, capacity: 1GiB}\nlabels: {zone: a}\nmirror:\n  <<: *a\n',
  'store:\n  path: |\n    /data\n  minFree: 0x10\nlog: {level: !!str info}\n',
  '# nothing\n',
]

export const configurationFiles: Target = {
  what: 'configuration files (YAML)',
  input: near(
    fc.oneof(
      { weight: 2, arbitrary: fc.constantFrom(...YAML).map((text) => new Uint8Array(Buffer.from(text))) },
      {
        weight: 1,
        arbitrary: words([
          'a',
          ': ',
          '\n',
          '- ',
          '[',
          ']',
          '{',
          '}',
          '&x ',
          '*x',
          '!!map ',
          '? ',
          '"',
          '|\n',
          '  ',
          '<<: ',
          '%YAML 1.2\n',
          '---\n',
          'store',
          'role: agent',
        ]).map((text) => new Uint8Array(Buffer.from(text))),
      },
      { weight: 1, arbitrary: jsonBytes(valueFor(settingsSchema)) },
    ),
  ),
  refusals: ['CONFIG_INVALID'],
  read(bytes, scratch) {
    const file = join(scratch, 'shoal.yaml')
    writeFileSync(file, bytes)
    return loadConfig({ file, env: {}, cwd: scratch })
  },
}

const NAMES = [
  'SHOAL_STORE_PATH',
  'SHOAL_STORE_MIN_FREE',
  'SHOAL_TIER_CACHES',
  'SHOAL_LABELS',
  'SHOAL_UPSTREAMS',
  'SHOAL_NOPE',
  'HOME',
]
const KEYS = [
  'store.path',
  'tier.caches.0',
  'upstreams.0.name',
  'labels.zone',
  'labels.__proto__',
  'upstreams.0.origins.0.url',
  'a.b',
]
const VALUES = [
  '/data',
  '1GiB',
  'a,b',
  '[a, b]',
  '{a: b}',
  'a=b,c=d',
  '*x',
  '&x [*x]',
  '{',
  '0',
  'null',
  '"',
  '!!binary x',
  '__proto__=1',
]

/** A line each: a variable, or, behind `--set `, what follows it on the command line. */
export const environment: Target = {
  what: 'environment variables, and values of --set',
  input: nearText(
    fc
      .array(
        fc.tuple(
          fc.oneof(
            fc.constantFrom(...NAMES),
            fc.constantFrom(...KEYS).map((key) => `--set ${key}`),
          ),
          fc.oneof(fc.constantFrom(...VALUES), words(VALUES, 3)),
        ),
        { maxLength: 3 },
      )
      .map((lines) => lines.map((pair) => pair.join('=')).join('\n')),
  ),
  refusals: ['CONFIG_INVALID'],
  read(bytes, scratch) {
    const lines = textOf(bytes).replaceAll('\0', '').split('\n')
    const set = lines.filter((line) => line.startsWith('--set ')).map((line) => line.slice('--set '.length))
    const env = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
    return loadConfig({ env, set, cwd: scratch })
  },
}

const COMPOSE = 'services:\n  a: {image: alpine:3}\n  b:\n    image: &i registry.corp/team/app:v1\n  c: {image: *i}\n'

export const imageLists: Target = {
  what: 'files that name images: lists, compose files, Kubernetes manifests',
  input: nearText(
    fc.oneof(
      fc.constantFrom(
        'alpine:3\n# comment\nteam/app@sha256:0 # more\n',
        COMPOSE,
        '{"kind":"Pod","spec":{"containers":[{"image":"a"}]}}',
      ),
      words(['image', ': ', 'alpine', '\n', '- ', '  ', '{', '}', '#', '$', '*i', '&i ', '---\n']),
    ),
  ),
  refusals: ['PREWARM_INVALID'],
  read(bytes, scratch) {
    const file = join(scratch, 'images')
    writeFileSync(file, bytes)
    return readImageList(file)
  },
}

const TOML =
  'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/certs.d"\n[[registry]]\nlocation = "docker.io"\n'

export const runtimeFiles: Target = {
  what: "container runtimes' files (TOML, JSON), and edits of them",
  input: near(
    fc.oneof(
      fc.constant(new Uint8Array(Buffer.from(TOML))),
      words([
        '[',
        ']',
        'a',
        '.',
        '"b"',
        ' = ',
        '\n',
        '1',
        '"x"',
        "'''",
        '[[r]]',
        '2026-01-01T00:00:00Z',
        '{',
        '}',
        ',',
        '#',
        'inf',
      ]).map((text) => new Uint8Array(Buffer.from(text))),
      jsonBytes(altered([{ 'registry-mirrors': ['http://127.0.0.1:7070'], debug: true, 'log-opts': { a: 'b' } }])),
    ),
  ),
  refusals: ['CONFIG_INVALID', 'SETUP_REFUSED'],
  read(bytes) {
    const text = textOf(bytes)
    if (!text.trimStart().startsWith('{')) {
      parseToml('a.toml', text)
      return setTomlKey('a.toml', text, ['registry', 'mirrors'], 'config_path', '/etc/certs.d')
    }
    parseJsonObject('a.json', text)
    return putFirst('a.json', text, 'registry-mirrors', 'http://127.0.0.1:7070')
  },
}

export const engineAnswers: Target = {
  what: "Docker Engine's progress: JSON, one a line, however it is cut",
  input: near(
    fc
      .array(
        jsonBytes(altered([{ status: 'Pulling', id: 'a', progressDetail: { current: 1, total: 2 } }, { error: 'x' }])),
        { maxLength: 5 },
      )
      .map((lines) => Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]))),
  ),
  refusals: ['UNAVAILABLE'],
  async read(bytes) {
    async function* chunks(): AsyncGenerator<Uint8Array> {
      const half = Math.floor(bytes.length / 2)
      yield bytes.subarray(0, half)
      yield bytes.subarray(half)
    }
    let values = 0
    for await (const _ of jsonLines(chunks(), 16 * 1024)) values++
    return values > 0 ? values : undefined
  },
}

export const smallValues: Target = {
  what: 'addresses, sizes, rates, lengths of time, patterns',
  input: nearText(
    fc.oneof(
      fc.constantFrom(
        '10.0.0.1:7071',
        '[fd00::1]:7071',
        '::ffff:10.0.0.1',
        '2001:0:5ef5:79fd::1',
        'cache-1.corp:80',
        '100MiB',
        '1.5 GiB/s',
        '30m',
        'team/**',
        '*-v*',
      ),
      words([
        '10.',
        '0',
        '::',
        'ffff',
        '[',
        ']',
        ':',
        '7071',
        '%eth0',
        '*',
        '**',
        '/',
        'a',
        'MiB',
        '/s',
        'm',
        '.',
        '9'.repeat(30),
      ]),
    ),
  ),
  refusals: [],
  read(bytes) {
    const text = textOf(bytes)
    classOf(text)
    addressGroup(text)
    matchesPattern('team/**/app-*', text.slice(0, 600))
    matchesPattern(text.slice(0, 255), 'team/app')
    const numbers = [parseSizeBytes(text), parseRateBytesPerSec(text), parseDurationMs(text)]
    return parseAddress(text) ?? numbers.find((value) => value !== undefined)
  },
}
