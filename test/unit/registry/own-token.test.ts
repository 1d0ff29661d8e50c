import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { clientProof, ownChallenge, ownTokenDocument } from '../../../src/registry/own-token.ts'

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`

describe('the own tokens of a mirror', () => {
  const cases: [name: string, header: string | undefined, proof: string | undefined][] = [
    ['a name and a password', basic('shop:s3cret'), basic('shop:s3cret')],
    ['a password with colons, spaces and no ASCII', basic('shop:s:3 crét'), basic('shop:s:3 crét')],
    ['nothing', undefined, undefined],
    ['nobody, as some say it', basic(':'), undefined],
    ['a token of the registry', 'Bearer abc', undefined],
    ['what is no header', 'Basic %%%', undefined],
  ]
  for (const [name, header, proof] of cases) {
    it(`stand for ${name}`, () => {
      const { token } = ownTokenDocument(header)
      assert.match(token, /^[\x21-\x7e]+$/)
      assert.equal(clientProof(`Bearer ${token}`), proof)
    })
  }

  it("leave a registry's own tokens and Basic as they are", () => {
    for (const header of ['Bearer abc', 'Bearer shoal.', basic('a:b'), 'Negotiate abc', '']) {
      assert.equal(clientProof(header), header)
    }
    assert.equal(clientProof(basic(':')), undefined)
  })

  it('are asked for in the words of the client', () => {
    assert.equal(
      ownChallenge('localhost:7070', 'registry.corp/team/app'),
      'Bearer realm="http://localhost:7070/v2/token",service="shoal",scope="repository:registry.corp/team/app:pull"',
    )
  })
})
