import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RealmTrust } from '../../../src/origin/realm-trust.ts'
import { mayReceiveCredentials, parseRealmEntry, realmTrust } from '../../../src/origin/realm-trust.ts'

const cases: readonly [registry: string, realm: string, trust: RealmTrust, why: string, listed?: string[]][] = [
  ['https://registry-1.docker.io', 'https://auth.docker.io/token', 'own', 'same registrable domain'],
  ['https://registry.example.com', 'https://registry.example.com/token', 'own', 'the registry itself'],
  ['https://registry.example.com', 'https://example.com/jwt', 'own', 'the domain itself'],
  ['https://registry.firm.co.uk', 'https://auth.firm.co.uk/token', 'own', 'same domain under a country'],
  ['https://gitlab.example.com:5050', 'https://gitlab.example.com/jwt', 'own', 'same host, the default port'],
  ['https://registry.example.com:5000', 'https://auth.example.com:5000/token', 'own', "the registry's port"],
  ['http://10.0.0.5:5000', 'http://10.0.0.5:5000/token', 'own', 'same address and port'],
  ['http://localhost:5000', 'http://localhost:5000/token', 'own', 'localhost for localhost'],
  // another port may be anybody's
  ['https://reg.example:5000', 'https://reg.example:5001/token', 'stranger', 'same host, another port'],
  ['http://10.0.0.5:5000', 'http://10.0.0.5:6000/token', 'stranger', 'same address, another port'],
  ['http://localhost:5000', 'http://localhost:5001/token', 'stranger', 'localhost, another port'],
  // another owner
  ['https://registry.example.com', 'https://evil.com/token', 'stranger', 'another domain'],
  ['https://registry.example.com', 'https://example.com.evil.com/token', 'stranger', 'the domain as a prefix'],
  ['https://registry.example.com', 'http://registry.example.com/token', 'stranger', 'in clear'],
  ['http://10.0.0.5:5000', 'http://10.0.0.6:5000/token', 'stranger', 'another address'],
  ['http://1.2.3.4', 'http://9.9.3.4/token', 'stranger', 'addresses are no domains'],
  ['https://registry.example.com', 'https://127.0.0.1/token', 'stranger', 'loopback'],
  ['https://registry.example.com', 'https://localhost/token', 'stranger', 'localhost'],
  ['http://a.localhost', 'http://b.localhost/token', 'stranger', 'names below localhost'],
  ['http://x.a.localhost', 'http://y.a.localhost/token', 'stranger', 'names farther below localhost'],
  ['https://registry', 'https://auth/token', 'stranger', 'single labels'],
  ...['co.uk', 'me.uk', 'ltd.uk', 'gob.mx', 'asso.fr', 'github.io', 'web.app', 'azurecr.io', 's3.amazonaws.com'].map(
    (suffix): [string, string, RealmTrust, string] => [
      `https://registry.${suffix}`,
      `https://other.${suffix}/token`,
      suffix === 'azurecr.io' ? 'own' : 'stranger',
      `only ${suffix} in common`,
    ],
  ),
  // named by the operator
  ['https://registry.redhat.io', 'https://sso.redhat.com/auth', 'listed', 'known without a word'],
  ['https://registry.redhat.io', 'https://sso.redhat.com:8443/auth', 'stranger', 'known, on another port'],
  ['https://reg.example', 'https://sso.other.com/t', 'listed', 'a host', ['sso.other.com']],
  [
    'https://reg.example:5000',
    'https://sso.other.com:5000/t',
    'listed',
    "a host, the registry's port",
    ['sso.other.com'],
  ],
  ['https://reg.example', 'https://sso.other.com:8443/t', 'stranger', 'a host, another port', ['sso.other.com']],
  ['https://reg.example', 'https://sso.other.com:8443/t', 'listed', 'host and port', ['SSO.other.com:8443']],
  ['https://reg.example', 'https://sso.other.com/t', 'listed', 'the default port, written', ['sso.other.com:443']],
  ['http://reg.example', 'http://sso.other.com/t', 'stranger', "another scheme's port", ['sso.other.com:443']],
  ['https://reg.example', 'https://sso.other.com/t', 'listed', 'a URL with its path', ['https://sso.other.com/t']],
  ['https://reg.example', 'https://sso.other.com:1/t', 'stranger', 'a URL without the port', ['https://sso.other.com']],
  ['https://reg.example', 'http://sso.other.com/t', 'stranger', 'a host, in clear', ['sso.other.com']],
  ['http://reg.example', 'http://10.0.0.9:8080/t', 'listed', 'an address', ['10.0.0.9:8080']],
  ['https://reg.example', 'https://evil.com/t', 'stranger', 'another host than the one named', ['sso.other.com']],
]

for (const [registry, realm, trust, why, listed] of cases) {
  test(`to ${registry}, ${realm} is ${trust}: ${why}`, () => {
    assert.equal(realmTrust(new URL(realm), new URL(registry), listed), trust)
    assert.equal(mayReceiveCredentials(new URL(realm), new URL(registry), listed), trust !== 'stranger')
  })
}

test('an entry that is said to parse as a URL, and does not, is none', () => {
  // of node 26.10 URL.canParse says yes, and new URL throws
  assert.equal(parseRealmEntry(`${'B'.repeat(16_380)}earer`), undefined)
})
