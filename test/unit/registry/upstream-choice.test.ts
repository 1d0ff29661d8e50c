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
