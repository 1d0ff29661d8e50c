import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parsePullTarget, pullTargetText } from '../../../src/pull/options.ts'

for (const text of ['team/app:v1', 'registry.corp:5000/team/app:v1', 'localhost/app:v1', 'local./team/app:v1']) {
  it(`${text} is told as it is read`, () => assert.equal(pullTargetText(parsePullTarget(text)), text))
}
