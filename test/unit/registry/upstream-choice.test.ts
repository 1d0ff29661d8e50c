import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chooseUpstreams } from '../../../src/registry/upstream-choice.ts'

const KNOWN = new Set(['docker.io', 'local', 'registry.corp', 'registry.corp:5000', 'build:5000'])
const RULES = { search: ['local', 'index.docker.io', 'gone.example'], knows: (name: string) => KNOWN.has(name) }

describe('the choice of upstream', () => {
  const cases: [name: string, ns: string | undefined, expected: string[]][] = [
    ['app', 'registry.corp:5000', ['registry.corp:5000/app']],
    ['app', 'Registry.Corp', ['registry.corp/app']],
    ['app', 'registry.corp:443', ['registry.corp/app']],
    // both ns and a path
    ['registry.corp/team/app', 'registry.corp', ['registry.corp/team/app']],
    ['registry.corp_5000/app', 'registry.corp:5000', ['registry.corp:5000/app']],
    ['registry.corp/app', 'registry.corp:5000', ['registry.corp:5000/registry.corp/app']],
    ['registry.corp', 'registry.corp', ['registry.corp/registry.corp']],
    ['docker.io/app', 'docker.io', ['local/app', 'docker.io/library/app']],
    ['registry.corp:5000/team/app', 'registry.corp:5000', ['registry.corp:5000/team/app']],
    ['Registry.CORP:443/team/app', 'REGISTRY.corp', ['registry.corp/team/app']],
    ['registry.corp/registry.corp/app', 'registry.corp', ['registry.corp/registry.corp/app']],
    ['local/app', 'local', ['local/app']],
    ['registry.corp:5000/app', 'registry.corp', []],
    ['registry.corp:5000/app', 'docker.io', []],
    ['build:5000/app', 'build:5000', ['build:5000/app']],
    // Docker Hub, however it is named
    ...['docker.io', 'registry-1.docker.io', 'docker.io:443', 'registry.hub.docker.com', undefined].flatMap(
      (ns): [string, string | undefined, string[]][] => [
        ['library/app', ns, ['local/library/app', 'docker.io/library/app']],
        ['app', ns, ['local/app', 'docker.io/library/app']],
        ['local/app', ns, ['local/app', 'local/local/app', 'docker.io/local/app']],
      ],
    ),
    ['docker.io/org/app', undefined, ['local/org/app', 'docker.io/org/app']],
    ['registry.corp/app', 'docker.io', ['local/registry.corp/app', 'docker.io/registry.corp/app']],
    ['app', 'unknown.example', []],
    ['app', '169.254.169.254', []],
    ['registry.corp/team/app', undefined, ['registry.corp/team/app']],
    ['registry.corp_5000/team/app', undefined, ['registry.corp:5000/team/app']],
    ['build_5000/app', undefined, ['build:5000/app']],
    ['registry.corp:5000/team/app', undefined, ['registry.corp:5000/team/app']],
    ['build:5000/app', undefined, ['build:5000/app']],
    ['Registry.Corp_5000/app', undefined, ['registry.corp:5000/app']],
    ['Registry.Corp/app', undefined, ['registry.corp/app']],
    ['registry.corp:443/app', undefined, ['registry.corp/app']],
    ['registry.corp_443/app', undefined, ['registry.corp/app']],
    ['docker.io:443/app', undefined, ['local/app', 'docker.io/library/app']],
    ['other:5000/app', undefined, []],
    ['Other.Example/app', undefined, []],
    ['index.docker.io/app', undefined, ['local/app', 'docker.io/library/app']],
    ['org/app', undefined, ['local/org/app', 'docker.io/org/app']],
    ['registry.corp', undefined, ['local/registry.corp', 'docker.io/library/registry.corp']],
    ['unknown.example/app', undefined, ['local/unknown.example/app', 'docker.io/unknown.example/app']],
    ['other_5000/app', undefined, ['local/other_5000/app', 'docker.io/other_5000/app']],
  ]
  for (const [name, ns, expected] of cases) {
    it(`${name}${ns === undefined ? '' : ` with ns=${ns}`} asks ${expected.join(', ') || 'nobody'}`, () => {
      const chosen = chooseUpstreams(name, ns, 'Bearer t', RULES)
      assert.deepEqual(
        chosen.map(({ upstream, repository }) => `${upstream}/${repository}`),
        expected,
      )
      assert.ok(chosen.every(({ authorization }) => authorization === 'Bearer t'))
    })
  }
})

describe("what is Docker Hub's", () => {
  /** A request of each kind, by containerd, docker 29, docker 20.10, podman and those who write the registry out. */
  const kinds: [name: string, ns: string | undefined][] = [
    ['NAME', undefined],
    ...['docker.io', 'registry-1.docker.io', 'index.docker.io', 'registry.hub.docker.com', 'docker.io:443'].flatMap(
      (host): [string, string | undefined][] => [
        ['NAME', host],
        ['NAME', host.toUpperCase()],
        [`${host}/NAME`, undefined],
        [`${host.replace(':', '_')}/NAME`, undefined],
        [`${host}/NAME`, host],
        [`docker.io/NAME`, host],
      ],
    ),
  ]
  const configurations: [title: string, search: string[], known: string[], expected: Record<string, string[]>][] = [
    [
      'by default',
      ['local', 'docker.io'],
      ['local', 'docker.io'],
      {
        'library/app': ['local/library/app', 'docker.io/library/app'],
        app: ['local/app', 'docker.io/library/app'],
        'team/app': ['local/team/app', 'docker.io/team/app'],
        'local/app': ['local/app', 'local/local/app', 'docker.io/local/app'],
      },
    ],
    [
      'with another upstream searched first',
      ['registry.corp', 'docker.io'],
      ['registry.corp', 'docker.io', 'local'],
      {
        'library/app': ['registry.corp/library/app', 'docker.io/library/app'],
        app: ['registry.corp/app', 'docker.io/library/app'],
        'local/app': ['local/app', 'registry.corp/local/app', 'docker.io/local/app'],
      },
    ],
    [
      'with docker.io configured and not searched',
      ['registry.corp'],
      ['registry.corp', 'docker.io'],
      {
        app: ['registry.corp/app', 'docker.io/library/app'],
        'team/app': ['registry.corp/team/app', 'docker.io/team/app'],
      },
    ],
    [
      'with docker.io searched first',
      ['index.docker.io', 'local'],
      ['docker.io', 'local'],
      { app: ['docker.io/library/app', 'local/app'] },
    ],
    ['with nothing searched', [], ['local', 'docker.io'], { app: ['docker.io/library/app'], 'a/b': ['docker.io/a/b'] }],
    ['without docker.io', ['local'], ['local'], { app: ['local/app'], 'library/app': ['local/library/app'] }],
    ['with neither', [], ['registry.corp'], { app: [], 'team/app': [] }],
  ]
  for (const [title, search, known, expected] of configurations) {
    for (const [repository, asked] of Object.entries(expected)) {
      it(`${title}, is the same for ${repository} however a client says so`, () => {
        const rules = { search, knows: (name: string) => known.includes(name) }
        for (const [form, ns] of kinds) {
          const name = form.replace('NAME', repository)
          const chosen = chooseUpstreams(name, ns, undefined, rules)
          const text = chosen.map((one) => `${one.upstream}/${one.repository}`)
          assert.deepEqual(text, asked, `${name} with ns=${ns}`)
        }
      })
    }
  }
})
