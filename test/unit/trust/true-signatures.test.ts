import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalBytes, FleetTrust, generateFleetKey, TrueSignatures } from '../../../src/trust/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'

test('a true signature is checked once a minute, a false one each time, and neither stands for another statement', () => {
  const trust = new FleetTrust(generateFleetKey())
  let checks = 0
  const counting = {
    vouched: (...said: Parameters<FleetTrust['vouched']>): boolean => {
      checks++
      return trust.vouched(...said)
    },
  }
  const clock = new ManualClock()
  const signatures = new TrueSignatures(counting, clock)
  const statement = canonicalBytes('test', 'one')
  const signature = trust.vouch(statement)
  assert.ok(signature !== undefined)
  for (let n = 0; n < 3; n++) assert.ok(signatures.vouched(statement, signature, 'eu'))
  assert.equal(checks, 1)
  for (let n = 0; n < 2; n++) assert.ok(!signatures.vouched(canonicalBytes('test', 'two'), signature, 'eu'))
  assert.equal(checks, 3)
  signatures.vouched(statement, signature, 'us')
  assert.equal(checks, 4, 'another region is another question')
  clock.advance(60_001)
  assert.ok(signatures.vouched(statement, signature, 'eu'))
  assert.equal(checks, 5)
})
