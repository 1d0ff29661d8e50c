import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCommand } from '../../support/run-command.ts'

const NOWHERE = ['--admin', 'http://127.0.0.1:1']

for (const [typo, meant] of [
  ['lst', 'list'],
  ['ls', 'list'],
  ['shwo', 'show'],
  ['Paus', 'pause'],
  ['cancle', 'cancel'],
  ['resumme', 'resume'],
] as const) {
  test(`prewarm ${typo} is no image but a slip of ${meant}`, async () => {
    const { code, stderr } = await runCommand(['prewarm', typo, ...NOWHERE])
    assert.equal(code, 2, stderr)
    assert.match(stderr, new RegExp(`"shoal prewarm ${typo}" is no command; the nearest is "shoal prewarm ${meant}"`))
  })
}

for (const image of ['lst:latest', 'nginx', 'team/lst', 'redis', 'app']) {
  test(`prewarm ${image} is an image`, async () => {
    const { stderr } = await runCommand(['prewarm', image, ...NOWHERE])
    assert.match(stderr, /no agent answers/)
  })
}
