import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCrossSite } from '../../../src/base/cross-site.ts'

/** Of node 26.10 `URL.canParse` says yes, and `new URL` throws. */
const LIKELY_URL = `https://${'B'.repeat(16_380)}earer`

const cases: readonly [headers: Record<string, string>, crossSite: boolean, why: string][] = [
  [{}, false, 'a program'],
  [{ host: 'localhost:7070' }, false, 'a program that names its host'],
  [{ host: 'localhost:7070', 'sec-fetch-site': 'none' }, false, 'an address typed by hand'],
  [{ host: 'localhost:7070', 'sec-fetch-site': 'same-origin' }, false, "the server's own page"],
  [{ host: 'localhost:7070', 'sec-fetch-site': 'same-site' }, true, 'a page of another port on localhost'],
  [{ host: 'localhost:7070', 'sec-fetch-site': 'cross-site' }, true, 'an image in any page'],
  [{ host: 'localhost:7070', 'sec-fetch-site': 'of-tomorrow' }, true, 'a value nobody knows yet'],
  [{ host: 'localhost:7070', origin: 'http://localhost:7070' }, false, 'its own page, in an old browser'],
  [{ host: 'LOCALHOST:80', origin: 'http://localhost' }, false, 'the default port, spelt out'],
  [{ host: 'localhost:7070', origin: 'http://localhost:3000' }, true, 'another port'],
  [{ host: 'localhost:7070', origin: 'https://evil.example' }, true, 'another host'],
  [{ host: 'localhost:7070', origin: 'http://127.0.0.1:7070' }, true, 'another name of the same host'],
  [{ host: 'localhost:7070', origin: 'null' }, true, 'a sandboxed frame'],
  [{ host: 'localhost:7070', origin: '' }, true, 'an origin that is none'],
  [{ host: 'localhost:7070', origin: LIKELY_URL }, true, 'an origin that is said to parse, and does not'],
  [{ origin: 'https://evil.example' }, true, 'no host to compare with'],
  [{ host: 'proxy.corp', origin: 'https://admin.corp', 'sec-fetch-site': 'same-origin' }, false, 'behind a proxy'],
]

for (const [headers, crossSite, why] of cases) {
  test(`${crossSite ? 'another site' : 'no other site'}: ${why}`, () => assert.equal(isCrossSite(headers), crossSite))
}
