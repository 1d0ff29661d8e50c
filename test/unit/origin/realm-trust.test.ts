import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mayReceiveCredentials } from '../../../src/origin/realm-trust.ts'

const cases: readonly [registry: string, realm: string, trusted: boolean, why: string][] = [
  ['https://registry-1.docker.io', 'https://auth.docker.io/token', true, 'same registrable domain'],
  ['https://reg.example:5000', 'https://reg.example:5001/token', true, 'same host, another port'],
  ['https://registry.example.com', 'https://example.com/jwt', true, 'the domain itself'],
  ['https://registry.example.com', 'https://evil.com/token', false, 'another domain'],
  ['https://registry.example.com', 'https://example.com.evil.com/token', false, 'the domain as a prefix'],
  ['https://registry.firm.co.uk', 'https://evil.co.uk/token', false, 'only the country in common'],
  ['https://registry.firm.co.uk', 'https://auth.firm.co.uk/token', true, 'same domain under a country'],
  ['https://registry.example.com', 'http://registry.example.com/token', false, 'in clear'],
  ['http://10.0.0.5:5000', 'http://10.0.0.5:6000/token', true, 'same address'],
  ['http://10.0.0.5:5000', 'http://10.0.0.6:5000/token', false, 'another address'],
  ['http://1.2.3.4', 'http://9.9.3.4/token', false, 'addresses are no domains'],
  ['https://registry.example.com', 'https://127.0.0.1/token', false, 'loopback'],
  ['https://registry.example.com', 'https://localhost/token', false, 'localhost'],
  ['http://localhost:5000', 'http://localhost:5001/token', true, 'localhost for localhost'],
  ['http://a.localhost', 'http://b.localhost/token', false, 'names below localhost'],
  ['https://registry', 'https://auth/token', false, 'single labels'],
]

for (const [registry, realm, trusted, why] of cases) {
  test(`credentials for ${registry} ${trusted ? 'may' : 'must not'} go to ${realm}: ${why}`, () => {
    assert.equal(mayReceiveCredentials(new URL(realm), new URL(registry)), trusted)
  })
}
