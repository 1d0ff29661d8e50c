import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createHostGuard } from '../../../src/base/host-guard.ts'

describe('the Host header check', () => {
  const onLoopback: [host: string | undefined, accepted: boolean][] = [
    [undefined, true],
    ['127.0.0.1:7070', true],
    ['127.0.0.1', true],
    ['127.9.9.9:1', true],
    ['localhost', true],
    ['LOCALHOST:7070', true],
    ['localhost.:7070', true],
    ['shoal.localhost:7070', true],
    ['[::1]:7070', true],
    ['mirror.corp:7070', true],
    ['Mirror.Corp', true],
    ['evil.example', false],
    ['127.0.0.1.evil.example', false],
    ['localhost.evil.example', false],
    ['notlocalhost', false],
    ['10.0.0.5:7070', false],
    ['[2001:db8::1]', false],
    ['', false],
    ['127.0.0.1:7070:1', false],
    ['user@localhost', false],
    ['127.0.0.1/', false],
  ]
  for (const [host, accepted] of onLoopback) {
    it(`on loopback ${accepted ? 'accepts' : 'refuses'} ${host}`, () => {
      assert.equal(createHostGuard('127.0.0.1', () => ['mirror.corp'])(host), accepted)
    })
  }

  const offLoopback: [listen: string, host: string, accepted: boolean][] = [
    ['0.0.0.0', '10.0.0.5:7070', true],
    ['0.0.0.0', '[2001:db8::1]:7070', true],
    ['0.0.0.0', 'localhost', true],
    ['0.0.0.0', 'evil.example', false],
    ['::', '10.0.0.5', true],
    ['shoal.corp', 'shoal.corp:7070', true],
    ['shoal.corp', '10.0.0.5', true],
    ['shoal.corp', 'other.corp', false],
    ['::1', '[::1]:7070', true],
    ['::1', '10.0.0.5', false],
  ]
  for (const [listen, host, accepted] of offLoopback) {
    it(`listening on ${listen} ${accepted ? 'accepts' : 'refuses'} ${host}`, () => {
      assert.equal(createHostGuard(listen, () => [])(host), accepted)
    })
  }
})
