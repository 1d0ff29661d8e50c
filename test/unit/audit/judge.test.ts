import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge } from '../../../config/audit/judge.ts'

/** As npm 11 prints it. */
const REPORT = {
  auditReportVersion: 2,
  vulnerabilities: {
    fetcher: {
      name: 'fetcher',
      severity: 'high',
      isDirect: true,
      via: [
        {
          source: 1_097_000,
          name: 'fetcher',
          title: 'sends cookies to strangers',
          url: 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc',
          severity: 'high',
          range: '<2.0.0',
        },
      ],
      effects: ['client'],
    },
    client: { name: 'client', severity: 'high', isDirect: false, via: ['fetcher'], effects: [] },
  },
  metadata: { vulnerabilities: { high: 2, total: 2 } },
}

test('an advisory that is not kept is a problem, once, however many packages have it', () => {
  assert.deepEqual(judge(REPORT, {}), { problems: ['GHSA-aaaa-bbbb-cccc: fetcher (high): sends cookies to strangers'] })
})

test('one that is kept is none, until it is no longer reported', () => {
  const kept = { 'GHSA-aaaa-bbbb-cccc': 'no cookies are used' }
  assert.deepEqual(judge(REPORT, kept), { problems: [] })
  const { problems } = judge({ auditReportVersion: 2, vulnerabilities: {} }, kept) as { problems: string[] }
  assert.equal(problems.length, 1)
})

test('a registry that offers no advisories is told from one that has none', () => {
  const refused = { message: '405 Method Not Allowed - POST https://mirror/-/npm/v1/security', statusCode: 405 }
  assert.deepEqual(judge(refused, {}), { notOffered: refused.message })
  for (const other of ['<html>', undefined, {}]) assert.ok('notOffered' in judge(other, {}))
})
