import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { defaultConfig } from '../../../src/config/index.ts'

const DIRECTORY = join(import.meta.dirname, '../../../config/systemd')

/** A unit's settings, as `Section.Key` -> value; of a key that stands twice, the last. */
function unit(name: string): ReadonlyMap<string, string> {
  const settings = new Map<string, string>()
  let section = ''
  for (const line of readFileSync(join(DIRECTORY, name), 'utf8').split('\n')) {
    const [, head] = /^\[(\w+)\]$/.exec(line) ?? []
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (head !== undefined) section = head
    else if (key !== undefined) settings.set(`${section}.${key}`, value ?? '')
    else assert.match(line, /^(?:#.*)?$/, `${name}: "${line}" is no line of a unit`)
  }
  return settings
}

test('the units hold the port that the agent listens on by default, and give it time to drain', () => {
  const { mirror } = defaultConfig()
  const socket = unit('shoal.socket')
  assert.equal(socket.get('Socket.ListenStream'), `${mirror.listen.host}:${mirror.listen.port}`)
  assert.equal(socket.get('Socket.FileDescriptorName'), 'mirror')
  const service = unit('shoal.service')
  assert.ok(Number(service.get('Service.TimeoutStopSec')) * 1000 > mirror.drainMs)
  assert.equal(service.get('Service.Type'), 'notify')
  assert.equal(service.get('Service.NotifyAccess'), 'all')
  assert.equal(service.get('Unit.Requires'), 'shoal.socket')
})
