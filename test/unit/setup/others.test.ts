import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SetupPlan, SetupRuntime } from '../../../src/setup/index.ts'
import { mirroredRegistries, parseRegistry, parseVersion, planSetup } from '../../../src/setup/index.ts'
import { docsBlock } from '../../support/docs-block.ts'
import { fileTexts } from '../../support/file-texts.ts'

const CONF = '/etc/containers/registries.conf'
const OWN = '/etc/containers/registries.conf.d/50-shoal.conf'
const BUILDKITD = '/etc/buildkit/buildkitd.toml'

function plan(
  runtime: SetupRuntime,
  files: Readonly<Record<string, string>> = {},
  registries = ['registry.corp'],
): SetupPlan {
  const goal = { runtime, version: undefined, store: undefined, mirror: 'http://127.0.0.1:7070', registries }
  return planSetup(goal, fileTexts(files))
}

function only({ files }: SetupPlan): string {
  assert.equal(files.length, 1)
  return files[0]!.text
}

describe('what podman and CRI-O are told', () => {
  it('the same as the guide shows', () => {
    const [file] = plan('podman').files
    assert.equal(file?.path, OWN)
    assert.equal(file.text.split('\n').slice(2).join('\n'), docsBlock('docs/runtimes.md', 'registries.conf'))
    assert.equal(file.needs, 'nothing')
    assert.equal(plan('crio').files[0]?.needs, 'reload')
  })

  it('a port is written as repository names can have it', () => {
    assert.match(
      only(plan('podman', {}, ['registry.corp:5000'])),
      /location = "127\.0\.0\.1:7070\/registry\.corp_5000"/,
    )
  })

  it('what another file says of the registry goes on to count', () => {
    const other = '[[registry]]\nlocation = "registry.corp"\ninsecure = true\n[[registry.mirror]]\nlocation = "other"\n'
    const text = only(plan('podman', { [CONF]: other }))
    const location = '127.0.0.1:7070/registry.corp'
    assert.equal(
      text.split('\n').slice(2).join('\n'),
      `[[registry]]\nlocation = "registry.corp"\ninsecure = true\nprefix = "registry.corp"\n\n[[registry.mirror]]\nlocation = "${location}"\ninsecure = true\n\n[[registry.mirror]]\nlocation = "other"\n`,
    )
  })

  it('a file that is read later and would undo it is left to a human; narrower ones are named', () => {
    const late = {
      '/etc/containers/registries.conf.d/99-a.conf': '[[registry]]\nprefix = "registry.corp"\nlocation = "x"\n',
    }
    assert.throws(() => plan('podman', late), {
      code: 'SETUP_REFUSED',
      message: /99-a\.conf[\s\S]*by hand:\n\[\[registry\.mirror\]\]/,
    })
    const narrow = { [CONF]: '[[registry]]\nprefix = "registry.corp/team"\nlocation = "x"\n' }
    assert.match(plan('podman', narrow).notes.join('\n'), /registry\.corp\/team/)
  })

  it('the old form, and what is no TOML, are named', () => {
    assert.throws(() => plan('podman', { [CONF]: '[registries.search]\nregistries = ["a"]\n' }), {
      code: 'SETUP_REFUSED',
    })
    assert.throws(() => plan('podman', { [CONF]: '\n[[registry]\n' }), {
      code: 'CONFIG_INVALID',
      message: /registries\.conf:2: /,
    })
  })

  it('all registries at once is more than it can be told', () => {
    assert.throws(() => plan('podman', {}, ['*']), { code: 'SETUP_REFUSED', message: /--registry/ })
    assert.match(plan('podman', {}, ['*', 'registry.corp']).notes.join('\n'), /--registry/)
  })
})

describe('what BuildKit is told', () => {
  it('the same as the guide shows', () => {
    const { files } = plan('buildkit')
    assert.deepEqual(files, [
      { path: BUILDKITD, text: docsBlock('docs/runtimes.md', 'buildkitd.toml'), needs: 'restart' },
    ])
  })

  it('other mirrors come second, and other keys stay', () => {
    const other = '# mine\n[registry."registry.corp"]\n  mirrors = ["other"] # far\n  insecure = true\n'
    assert.equal(
      only(plan('buildkit', { [BUILDKITD]: other })),
      `${other.replace('["other"]', '["127.0.0.1:7070", "other"]')}\n[registry."127.0.0.1:7070"]\n  http = true\n`,
    )
  })

  it('a list over several lines is left to a human', () => {
    const other = '[registry."registry.corp"]\n  mirrors = [\n    "other",\n  ]\n'
    assert.throws(() => plan('buildkit', { [BUILDKITD]: other }), {
      code: 'SETUP_REFUSED',
      message: /\["127\.0\.0\.1:7070", "other"\]/,
    })
  })
})

describe('what nerdctl is told', () => {
  it('hosts.toml, where it looks for it', () => {
    assert.deepEqual(
      plan('nerdctl').files.map(({ path }) => path),
      ['/etc/containerd/certs.d/registry.corp/hosts.toml'],
    )
    const files = { '/etc/nerdctl/nerdctl.toml': 'hosts_dir = ["/srv/certs", "/etc/docker/certs.d"]\n' }
    assert.deepEqual(
      plan('nerdctl', files).files.map(({ path }) => path),
      ['/srv/certs/registry.corp/hosts.toml'],
    )
  })
})

describe('the registries that are mirrored', () => {
  const rows: readonly [upstreams: string[], search: string[], mirrored: string[]][] = [
    [['docker.io', 'registry.corp:5000'], ['docker.io'], ['docker.io', 'registry.corp:5000']],
    [['registry.corp'], ['registry.corp'], ['registry.corp']],
    [['local'], ['local'], ['docker.io']],
    [['local', 'docker.io'], ['local', 'docker.io'], ['docker.io']],
    [['local', 'ghcr.io'], ['ghcr.io'], ['ghcr.io']],
    [['*', 'registry.corp'], ['registry.corp'], ['*', 'registry.corp']],
  ]
  for (const [upstreams, search, mirrored] of rows) {
    it(`of ${upstreams.join(', ')}, with ${search.join(', ')} searched`, () => {
      assert.deepEqual(mirroredRegistries(upstreams, search), mirrored)
    })
  }

  it('are named as images name them', () => {
    assert.equal(parseRegistry('Registry.Corp:5000'), 'registry.corp:5000')
    assert.equal(parseRegistry('index.docker.io'), 'docker.io')
    assert.equal(parseRegistry('_default'), '*')
    for (const text of ['word', 'a b.c', 'https://a.b', '']) assert.equal(parseRegistry(text), undefined, text)
  })
})

describe("a runtime's version", () => {
  const rows: readonly [said: string, major: number, minor: number][] = [
    ['Docker version 20.10.24+dfsg1, build 297e128', 20, 10],
    ['containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3', 1, 6],
    ['containerd github.com/containerd/containerd/v2 v2.1.4 75cb2b7193e4e490e9fbdc236c0e811ccaba3376', 2, 1],
    ['podman version 4.3.1', 4, 3],
    ['buildkitd github.com/moby/buildkit v0.12.5 bac3f2b673f3f9d33e79046008e7a38e856b3dc6', 0, 12],
    ['crio version 1.28.1\nVersion:        1.28.1', 1, 28],
    ['v2.0.0-beta.24', 2, 0],
    ['29.1', 29, 1],
  ]
  for (const [said, major, minor] of rows)
    it(said.split('\n')[0]!, () => assert.deepEqual(parseVersion(said), { major, minor }))

  it('is none in other words', () => {
    for (const text of ['', 'none', '29', 'a1.2']) assert.equal(parseVersion(text), undefined, text)
  })
})
