import fc from 'fast-check'
import type { z } from 'zod'
import { HttpRefusal } from '../../../src/admin/json-error.ts'
import {
  eventsQuerySchema,
  gateQuerySchema,
  invalidateSchema,
  limitsPatchSchema,
  logPatchSchema,
  obeySchema,
  parseBody,
  pinSchema,
  readinessSchema,
  unpinSchema,
  verifySchema,
  whyQuerySchema,
} from '../../../src/admin/request-schema.ts'
import { parseJson } from '../../../src/base/json.ts'
import { nextRun, parseWhen } from '../../../src/prewarm/schedule.ts'
import { parsePrewarmPatch, parsePrewarmSpec } from '../../../src/prewarm/spec.ts'
import { WEBHOOK_SOURCES } from '../../../src/webhook/interface.ts'
import { parsePayload } from '../../../src/webhook/payloads.ts'
import { proven, shownBy } from '../../../src/webhook/proof.ts'
import { headerOf, near, words } from '../damage.ts'
import { altered, jsonBytes } from '../json.ts'
import { sampleDigest } from '../samples.ts'
import type { Target } from '../target.ts'
import { valueFor } from '../values.ts'

const NOW = Date.UTC(2026, 10, 11)
const DIGEST = sampleDigest('one')

const SPECS = [
  {
    images: ['registry.corp/team/app:v1', 'alpine'],
    waves: ['1', '10%', '100%'],
    rate: '50MiB',
    deadline: '30m',
    quorum: '95%',
    select: { zone: 'a' },
  },
  {
    images: ['docker.io/library/alpine:3'],
    regions: ['eu-1'],
    hosts: 5,
    platforms: ['linux/amd64'],
    load: 'docker',
    pin: '24h',
    failureBudget: '5%',
  },
  { state: 'paused', rate: 0, maxHosts: '20' },
]

export const jobRequests: Target = {
  what: 'requests of prewarm jobs, and changes to them',
  input: near(jsonBytes(altered(SPECS))),
  refusals: ['PREWARM_INVALID'],
  read(bytes) {
    const value = parseJson(bytes)
    const isSpec = typeof value === 'object' && value !== null && 'images' in value
    return isSpec ? parsePrewarmSpec(value) : parsePrewarmPatch(value)
  },
}

/** A line each: at, every, zone. */
export const scheduleRequests: Target = {
  what: 'when scheduled jobs begin: times, cron expressions, zones',
  input: near(
    fc
      .tuple(
        fc.oneof(
          fc.constantFrom('', '', '22:00', '2099-02-29T00:00', '2099-11-10T16:00Z', '2099-03-28T02:30'),
          words(['2', '9', '-', ':', 'T', 'Z', '+01:00']),
        ),
        fc.oneof(
          fc.constantFrom('', '30 4 * * 1-5', '*/5 * * * *', '0 0 30 2 *', '0 0 29 2 1', '@daily'),
          words(['*', '/', '-', ',', ' ', '1', '59', 'MON', 'L', '#', '?', 'W']),
        ),
        fc.constantFrom('', 'UTC', 'Europe/Berlin', 'Mars/Base', '+01:00'),
      )
      .map((lines) => new Uint8Array(Buffer.from(lines.join('\n')))),
  ),
  refusals: ['PREWARM_INVALID'],
  read(bytes) {
    const [at, every, zone] = headerOf(bytes)
      .split('\n')
      .map((line) => (line === '' ? undefined : line))
    const when = parseWhen({ at, every, zone }, NOW)
    return nextRun(when, NOW)
  },
}

const BODIES: readonly z.ZodType[] = [
  limitsPatchSchema,
  logPatchSchema,
  readinessSchema,
  eventsQuerySchema,
  whyQuerySchema,
  gateQuerySchema,
  invalidateSchema,
  obeySchema,
  pinSchema,
  verifySchema,
  unpinSchema,
]

/** The first byte says which request it is. */
export const adminRequests: Target = {
  what: 'requests to the admin server',
  input: near(
    fc.oneof(...BODIES.map((schema, i) => jsonBytes(valueFor(schema)).map((bytes) => Uint8Array.of(i, ...bytes)))),
  ),
  refusals: [],
  read(bytes) {
    try {
      return parseBody(BODIES[(bytes[0] ?? 0) % BODIES.length]!, parseJson(bytes.subarray(1)))
    } catch (error) {
      if (!(error instanceof HttpRefusal)) throw error
      return undefined
    }
  },
}

const HOOKS = [
  {
    events: [
      {
        action: 'push',
        target: { repository: 'team/app', tag: 'v1', digest: DIGEST, url: 'http://10.0.0.1:5000/v2/x' },
        request: { host: 'registry.corp:5000' },
      },
    ],
  },
  {
    type: 'PUSH_ARTIFACT',
    event_data: {
      resources: [{ digest: DIGEST, tag: 'v1', resource_url: 'harbor.corp/team/app:v1' }],
      repository: { repo_full_name: 'team/app' },
    },
  },
  { push_data: { tag: 'v1' }, repository: { repo_name: 'team/app' } },
  {
    action: 'published',
    registry_package: {
      name: 'app',
      namespace: 'Org',
      package_type: 'CONTAINER',
      owner: { login: 'Org' },
      package_version: {
        version: DIGEST,
        package_url: 'ghcr.io/org/app:v1',
        container_metadata: { tag: { name: 'v1', digest: DIGEST } },
      },
    },
  },
  {
    source: 'aws.ecr',
    'detail-type': 'ECR Image Action',
    account: '123456789012',
    region: 'eu-west-1',
    detail: {
      'action-type': 'PUSH',
      result: 'SUCCESS',
      'repository-name': 'team/app',
      'image-digest': DIGEST,
      'image-tag': 'v1',
    },
  },
]
const SECRETS = ['0123456789abcdef']

/** The first line is the header that proves who sends it. */
export const webhooks: Target = {
  what: "webhooks' bodies and proofs, of all sources",
  input: near(
    fc
      .tuple(
        words(
          ['Bearer ', 'Basic ', '0123456789abcdef', 'OjAxMjM0NTY3ODlhYmNkZWY=', 'sha256=', 'ab'.repeat(32), ' ', ':'],
          4,
        ),
        jsonBytes(altered(HOOKS)),
      )
      .map(([header, body]) => Buffer.concat([Buffer.from(`${header}\n`), body])),
  ),
  refusals: [],
  read(bytes) {
    const end = Math.max(bytes.indexOf(10), 0)
    const header = headerOf(bytes.subarray(0, end))
    const body = bytes.subarray(end + 1)
    const hints = WEBHOOK_SOURCES.flatMap((source) => {
      const headers = { authorization: header, 'x-hub-signature-256': header }
      const shown = shownBy(source, { source, headers, pathSecret: header })
      if (shown !== undefined) proven(shown, SECRETS, body)
      return parsePayload(source, parseJson(body)) ?? []
    })
    return hints.length > 0 ? hints : undefined
  },
}
