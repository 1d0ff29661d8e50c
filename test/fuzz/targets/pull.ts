import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isCrossSite } from '../../../src/base/cross-site.ts'
import { createHostGuard } from '../../../src/base/host-guard.ts'
import { MAX_HOPS, parseHops } from '../../../src/base/mirror-hops.ts'
import { isPathName, isRepositoryName, parseReference } from '../../../src/oci/reference.ts'
import { parsePullTarget, pullTargetText } from '../../../src/pull/options.ts'
import { selectRange } from '../../../src/registry/byte-range.ts'
import { conditionalStatus, ifRangeHolds } from '../../../src/registry/conditional.ts'
import { clientProof, ownTokenDocument } from '../../../src/registry/own-token.ts'
import { parsePullPath } from '../../../src/registry/pull-path.ts'
import { MAX_TAGS_PER_PAGE, parsePullQuery } from '../../../src/registry/pull-query.ts'
import { chooseUpstreams, unknownRegistry } from '../../../src/registry/upstream-choice.ts'
import { headerOf, nearText, textOf, words } from '../damage.ts'
import { sampleDigest } from '../samples.ts'
import type { Target } from '../target.ts'

const DIGEST = sampleDigest('one')
const NAMES = [
  'team/app',
  'library/alpine',
  'registry.corp:5000/team/app',
  'registry.corp_5000/app',
  '[fd00::1]:5000/a',
]
const REFERENCES = ['latest', 'v1', DIGEST, sampleDigest('two', 'sha512'), 'sha256:abc', 'V1.0-rc_1']
const RULES = { search: ['registry.corp:5000', 'docker.io'], knows: (upstream: string) => upstream !== 'other.corp' }

export const paths: Target = {
  what: 'paths of the pull API, and which registries they mean',
  input: nearText(
    fc.oneof(
      fc
        .tuple(
          fc.constantFrom(...NAMES),
          fc.constantFrom('manifests', 'blobs', 'referrers'),
          fc.constantFrom(...REFERENCES),
        )
        .map(([name, kind, reference]) => `/v2/${name}/${kind}/${reference}`),
      words([
        '/v2',
        '/',
        ...NAMES,
        'manifests',
        'blobs',
        'tags/list',
        ...REFERENCES,
        '%2F',
        '%2e',
        '..',
        '%00',
        '%',
        '_',
        ':',
      ]),
    ),
  ),
  refusals: [],
  read(bytes) {
    const path = parsePullPath(headerOf(bytes))
    if (path.route === 'none') return undefined
    if (!('name' in path)) return path
    assert.ok(isPathName(path.name))
    for (const { repository } of chooseUpstreams(path.name, undefined, undefined, RULES)) {
      assert.ok(isRepositoryName(repository) && !repository.includes('..'), repository)
    }
    unknownRegistry(path.name, undefined, RULES.knows)
    return path
  },
}

export const queries: Target = {
  what: 'queries of the pull API',
  input: nearText(
    words([
      'ns=',
      'docker.io',
      'registry.corp:5000',
      '&',
      '&',
      'n=',
      '100',
      '0',
      '999999999999999',
      'last=',
      'v1',
      'artifactType=',
      'a/b',
      '%26',
      '+',
    ]),
  ),
  refusals: [],
  read(bytes) {
    const query = parsePullQuery(headerOf(bytes))
    if ('code' in query) return undefined
    assert.ok(query.limit === undefined || (query.limit >= 0 && query.limit <= MAX_TAGS_PER_PAGE))
    if (query.ns !== undefined) chooseUpstreams('team/app', query.ns, undefined, RULES)
    return query
  },
}

const SIZE = 1000

/** No more is sent than there is, and no byte twice. */
export const ranges: Target = {
  what: 'Range headers',
  input: nearText(
    fc.oneof(
      words(['bytes=', '0', '-', '-', ',', ' ', '9', '10', '999', '1000', '99999999999999999999', 'BYTES=', '\t']),
      fc
        .array(fc.tuple(fc.nat({ max: 1100 }), fc.nat({ max: 200 })), { minLength: 1, maxLength: 70 })
        .map((specs) => `bytes=${specs.map(([first, more]) => `${first}-${first + more}`).join(',')}`),
    ),
  ),
  refusals: [],
  read(bytes) {
    const selection = selectRange(headerOf(bytes), SIZE)
    const parts = selection.kind === 'part' ? [selection.range] : selection.kind === 'parts' ? selection.ranges : []
    const sent = new Uint8Array(SIZE)
    for (const { start, end } of parts) {
      assert.ok(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= SIZE)
      for (let i = start; i < end; i++) assert.equal(sent[i]!++, 0, `byte ${i} twice`)
    }
    return parts.length > 0 ? parts : undefined
  },
}

const BASIC = `Basic ${Buffer.from('robot:secret').toString('base64')}`
const isOurs = createHostGuard('127.0.0.1', () => ['mirror.corp:7070'])

/** A line for each: If-None-Match, Authorization, Host, Origin, and the way through other mirrors. */
export const requestHeaders: Target = {
  what: 'headers of requests: conditions, credentials, Host, Origin, hops',
  input: nearText(
    fc
      .tuple(
        words([`"${DIGEST}"`, DIGEST, 'W/', '*', ',', ' ', '"']),
        fc.oneof(fc.constant(BASIC), words([BASIC, 'Basic ', 'Bearer ', 'shoal.', 'anonymous', 'eyJ.x', '=', ' '])),
        words(['127.0.0.1', 'localhost', ':7070', '[::1]', 'mirror.corp', '.localhost', '.', 'evil.test', '10.0.0.1']),
        words(['http://', 'https://', '127.0.0.1', ':7070', 'null', 'evil.test', '[::1]', '@']),
        words(['abcdef0123456789', ',', ' ', ', ', 'x'.repeat(33)]),
      )
      .map((lines) => lines.join('\n')),
  ),
  refusals: [],
  read(bytes) {
    const [match = '', authorization = '', host = '', origin = '', hops = ''] = headerOf(bytes).split('\n')
    const status = conditionalStatus({ 'if-match': match, 'if-none-match': match }, DIGEST)
    ifRangeHolds(match, DIGEST)
    const proof = clientProof(authorization)
    ownTokenDocument(authorization)
    const isMeant = isOurs(host)
    isCrossSite({ origin, host })
    const names = parseHops(hops) ?? []
    assert.ok(names.length <= hops.length && names.every((name) => name.length <= 32), `${MAX_HOPS} at most are taken`)
    return status === 304 || (proof !== undefined && isMeant) ? true : undefined
  },
}

/** What is read and written again is read as the same. */
export const references: Target = {
  what: 'names of images, as people and files write them',
  input: nearText(
    fc.oneof(
      fc
        .tuple(
          fc.constantFrom('', 'docker.io/', 'registry.corp:5000/', 'localhost/', '[fd00::1]:5000/'),
          fc.constantFrom('alpine', 'team/app'),
          fc.constantFrom('', ':v1', `@${DIGEST}`, `:v1@${DIGEST}`),
        )
        .map((parts) => parts.join('')),
      words([
        'docker.io',
        'registry.corp:5000',
        '[fd00::1]',
        '/',
        '/',
        ':',
        '@',
        'team',
        'app',
        'v1',
        DIGEST,
        '..',
        'A',
      ]),
    ),
  ),
  refusals: ['REFERENCE_INVALID'],
  read(bytes) {
    const text = textOf(bytes)
    const { upstream, repository } = parseReference(text, 'docker.io')
    assert.ok(isRepositoryName(repository) && upstream !== '')
    const pulled = parsePullTarget(text)
    assert.deepEqual(parsePullTarget(pullTargetText(pulled)), pulled)
    return pulled
  },
}
