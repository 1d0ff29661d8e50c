import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parsePayload } from '../../../src/webhook/payloads.ts'

const DIGEST = `sha256:${'7f'.repeat(32)}`

/** One event as Distribution sends it, with a change. */
function distributionEvent(target: object = {}, more: object = {}) {
  return {
    id: '320678d8-ca14-430f-8bb6-4ca139cd83f7',
    timestamp: '2026-03-09T14:44:26.402973972-08:00',
    action: 'push',
    target: {
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      size: 708,
      digest: DIGEST,
      length: 708,
      repository: 'team/app',
      url: `http://192.168.100.227:5000/v2/team/app/manifests/${DIGEST}`,
      tag: 'v1',
      ...target,
    },
    request: {
      id: '6df24a34',
      addr: '192.168.64.11:42961',
      host: '192.168.100.227:5000',
      method: 'PUT',
      useragent: 'curl',
    },
    actor: { name: 'ci' },
    source: { addr: 'registry.local:5000', instanceID: 'a53db899' },
    ...more,
  }
}

function harborResources(resource: object) {
  return {
    resources: [{ digest: DIGEST, tag: 'v1', resource_url: 'harbor.test/team/app:v1', ...resource }],
    repository: {
      date_created: 1_586_922_308,
      name: 'app',
      namespace: 'team',
      repo_full_name: 'team/app',
      repo_type: 'private',
    },
  }
}

function gitHubPackage(version: object = {}, more: object = {}) {
  return {
    id: 10_696,
    name: 'App/Web',
    namespace: 'Some-Org',
    ecosystem: 'CONTAINER',
    package_type: 'CONTAINER',
    owner: { login: 'Some-Org', id: 1 },
    package_version: {
      id: 430_232,
      version: DIGEST,
      name: DIGEST,
      package_url: 'ghcr.io/Some-Org/App/Web:v1',
      container_metadata: { tag: { name: 'v1', digest: DIGEST }, labels: {}, manifest: {} },
      ...version,
    },
    ...more,
  }
}

function ecrEvent(detail: object = {}, more: object = {}) {
  return {
    version: '0',
    id: '13cde686-328b-6117-af20-0e5566167482',
    'detail-type': 'ECR Image Action',
    source: 'aws.ecr',
    account: '123456789012',
    time: '2026-11-16T01:54:34Z',
    region: 'us-west-2',
    resources: [],
    detail: {
      result: 'SUCCESS',
      'repository-name': 'team/app',
      'image-digest': DIGEST,
      'action-type': 'PUSH',
      'image-tag': 'v1',
      ...detail,
    },
    ...more,
  }
}

const pushed = (upstream: string, repository = 'team/app', digest: string | undefined = DIGEST) => [
  { upstream, repository, tag: 'v1', ...(digest === undefined ? {} : { digest }) },
]

describe("webhooks' payloads", () => {
  const understood = [
    ['distribution', { events: [distributionEvent()] }, pushed('192.168.100.227:5000')],
    [
      'harbor',
      { type: 'PUSH_ARTIFACT', occur_at: 1, operator: 'ci', event_data: harborResources({}) },
      pushed('harbor.test'),
    ],
    [
      'harbor',
      {
        specversion: '1.0',
        type: 'harbor.artifact.pushed',
        source: '/projects/2/webhook/policies/15',
        data: harborResources({}),
      },
      pushed('harbor.test'),
    ],
    [
      'dockerhub',
      {
        callback_url: 'https://registry.hub.docker.com/u/team/app/hook/2141b5bi5i5b02bec211i4eeih0242eg11000a/',
        push_data: { pushed_at: 1_417_566_161, pusher: 'ci', tag: 'v1' },
        repository: { is_official: false, name: 'app', namespace: 'team', repo_name: 'team/app', status: 'Active' },
      },
      [{ upstream: 'docker.io', repository: 'team/app', tag: 'v1' }],
    ],
    ['ghcr', { action: 'published', registry_package: gitHubPackage() }, pushed('ghcr.io', 'some-org/app/web')],
    [
      'ghcr',
      { action: 'updated', package: gitHubPackage({ package_url: null }) },
      pushed('ghcr.io', 'some-org/app/web'),
    ],
    ['ecr', ecrEvent(), pushed('123456789012.dkr.ecr.us-west-2.amazonaws.com')],
    ['ecr', ecrEvent({}, { region: 'cn-north-1' }), pushed('123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn')],
    ['ecr', [ecrEvent(), ecrEvent({ 'image-tag': undefined })], pushed('123456789012.dkr.ecr.us-west-2.amazonaws.com')],
  ] as const
  for (const [i, [source, body, hints]] of understood.entries()) {
    it(`of ${source} tell of pushes (${i})`, () => assert.deepEqual(parsePayload(source, body), hints))
  }

  const ignored = [
    ['distribution', 'a pull', { events: [distributionEvent({}, { action: 'pull' })] }],
    ['distribution', 'a layer, or a manifest without a tag', { events: [distributionEvent({ tag: undefined })] }],
    [
      'distribution',
      'names outside of their grammar',
      { events: [distributionEvent({ repository: '../etc' }), distributionEvent({ tag: 'a b' })] },
    ],
    ['distribution', 'an event that is none', { events: [7, null, { action: 'push' }] }],
    ['harbor', 'a pull', { type: 'PULL_ARTIFACT', event_data: harborResources({}) }],
    [
      'harbor',
      'a digest in the place of a tag',
      { type: 'PUSH_ARTIFACT', event_data: harborResources({ tag: DIGEST }) },
    ],
    ['ghcr', 'the ping at the start', { zen: 'Keep it logically awesome.', hook_id: 1 }],
    [
      'ghcr',
      'another kind of package',
      { action: 'published', registry_package: gitHubPackage({}, { package_type: 'NPM' }) },
    ],
    [
      'ghcr',
      'a manifest of an index',
      {
        action: 'published',
        package: gitHubPackage({ package_url: 'ghcr.io/some-org/app:', container_metadata: { tag: { name: '' } } }),
      },
    ],
    ['ecr', 'a push that failed', ecrEvent({ result: 'FAILURE' })],
    ['ecr', 'a deletion that failed', ecrEvent({ 'action-type': 'DELETE', result: 'FAILURE' })],
    ['ecr', 'an action called as what objects have', ecrEvent({ 'action-type': 'constructor' })],
    ['harbor', 'the deletion of a whole repository', { type: 'DELETE_REPOSITORY', event_data: harborResources({}) }],
  ] as const
  for (const [source, what, body] of ignored) {
    it(`of ${source}: ${what} is nothing to act on`, () => assert.deepEqual(parsePayload(source, body), []))
  }

  const tag = { deleted: { kind: 'tag', tag: 'v1' } } as const
  const image = { deleted: { kind: 'digest', digest: DIGEST } } as const
  const deletions = [
    ['distribution', { events: [distributionEvent({}, { action: 'delete' })] }, '192.168.100.227:5000', [tag, image]],
    [
      'distribution',
      { events: [distributionEvent({ tag: undefined }, { action: 'delete' })] },
      '192.168.100.227:5000',
      [image],
    ],
    ['harbor', { type: 'DELETE_ARTIFACT', event_data: harborResources({}) }, 'harbor.test', [tag, image]],
    ['harbor', { type: 'harbor.artifact.deleted', data: harborResources({ tag: DIGEST }) }, 'harbor.test', [image]],
    ['ecr', ecrEvent({ 'action-type': 'DELETE' }), '123456789012.dkr.ecr.us-west-2.amazonaws.com', [tag, image]],
  ] as const
  for (const [source, body, upstream, expected] of deletions) {
    it(`of ${source} tell of a deleted ${expected.map(({ deleted }) => deleted.kind).join(' and ')}`, () => {
      const hints = parsePayload(source, body)
      assert.deepEqual(
        hints?.map(({ repository: _, ...hint }) => hint),
        expected.map((one) => ({ upstream, ...one })),
      )
    })
  }

  const foreign = [undefined, null, 7, 'text', [], {}, { events: 'many' }, { push_data: {} }]
  for (const source of ['distribution', 'dockerhub', 'ecr'] as const) {
    it(`of ${source} that are in no format of theirs are refused`, () => {
      for (const body of foreign) assert.equal(parsePayload(source, body), undefined, JSON.stringify(body))
    })
  }

  it('are read up to a hundred events', () => {
    const events = Array.from({ length: 1000 }, () => distributionEvent())
    assert.equal(parsePayload('distribution', { events })?.length, 100)
  })

  it('do not become slow by what is in them', () => {
    const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`
    assert.deepEqual(parsePayload('distribution', { events: [JSON.parse(deep)] }), [])
    assert.deepEqual(
      parsePayload('distribution', { events: [distributionEvent({ repository: 'a'.repeat(100_000) })] }),
      [],
    )
  })
})
