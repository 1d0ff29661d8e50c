import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { stringify } from 'yaml'
import { loadConfig } from '../../../src/config/index.ts'
import { TempDir } from '../../support/temp-dir.ts'

const UPSTREAMS = [
  { name: 'docker.io', origins: [{ kind: 'directory', path: './images' }] },
  { name: 'private.test', access: 'passthrough', origins: [{ kind: 'registry', url: 'https://private.test' }] },
]

async function load(directory: string, hooks: unknown) {
  const file = join(directory, 'agent.yaml')
  await writeFile(join(directory, 'hook.secret'), 'a-secret-of-enough-length\n', { mode: 0o600 })
  await writeFile(file, stringify({ prewarm: { hooks }, search: ['docker.io'], upstreams: UPSTREAMS }))
  return loadConfig({ file, cwd: directory })
}

const HOOK = { source: 'dockerhub', secretFile: 'hook.secret' }

describe('prewarm.hooks', () => {
  it('are complete when source and secret are given', async () => {
    await using temp = await TempDir.make()
    const { config, warnings } = await load(temp.path, [
      HOOK,
      {
        ...HOOK,
        upstream: 'index.docker.io',
        repository: 'team/**',
        tag: 'v*',
        purge: true,
        options: { waves: ['1', '100%'], pin: '24h' },
      },
    ])
    const secretFile = join(temp.path, 'hook.secret')
    assert.deepEqual(warnings, [])
    assert.deepEqual(config.prewarm.hooks, [
      { source: 'dockerhub', upstream: null, repository: '**', tag: '*', purge: false, secretFile, options: {} },
      {
        source: 'dockerhub',
        upstream: 'docker.io',
        repository: 'team/**',
        tag: 'v*',
        purge: true,
        secretFile,
        options: { waves: ['1', '100%'], pin: '24h' },
      },
    ])
  })

  const mistakes: readonly [string, object, RegExp][] = [
    ['an unknown source', { source: 'quay' }, /hooks\.0\.source: "quay" is not allowed; allowed: distribution, harbor/],
    ['a pattern that is none', { repository: 'team/(.*)' }, /hooks\.0\.repository: "team\/\(\.\*\)" is no pattern/],
    [
      'options that no job takes',
      { options: { speed: 9 } },
      /hooks\.0\.options: is not what a job takes: speed is not known/,
    ],
    ['options out of range', { options: { quorum: '120%' } }, /hooks\.0\.options: is not what a job takes: quorum /],
    ['images', { options: { images: ['a'] } }, /images are what the webhook says/],
    [
      'an upstream nobody configured',
      { upstream: 'else.test' },
      /hooks\.0\.upstream: "else\.test" is no configured upstream/,
    ],
    ['an upstream that only clients may read', { upstream: 'private.test' }, /hooks\.0\.upstream: .* passthrough/],
    ['a secret that is not there', { secretFile: 'none' }, /hooks\.0\.secretFile: none does not exist/],
    ['an unknown key', { repo: 'a' }, /hooks\.0\.repo: unknown key/],
  ]
  for (const [what, change, message] of mistakes) {
    it(`stop the start with ${what}`, async () => {
      await using temp = await TempDir.make()
      await assert.rejects(load(temp.path, [{ ...HOOK, ...change }]), message)
    })
  }
})
