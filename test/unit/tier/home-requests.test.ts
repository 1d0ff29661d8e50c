import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { ASK_MS, AT_WORK_AFTER_MS, LAST_ASK_MS, OVERLOADED_MS } from '../../../src/base/patience.ts'
import type { PeerLink } from '../../../src/swarm/index.ts'
import { HomeRequests, requestOf } from '../../../src/tier/home-requests.ts'
import { tierRequests } from '../../../src/tier/requests.ts'
import { Suspicion } from '../../../src/tier/suspicion.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const LOOK_MS = 250
const HOME = 'home'

/** A home that is asked by a host for which nobody else is left, and says nothing. */
function asking(timeoutMs = LAST_ASK_MS) {
  const clock = new ManualClock()
  const suspicion = new Suspicion(clock)
  const link = {
    peer: { key: HOME, role: 'cache' },
    silent: false,
    heardTimes: 7,
    request: (_request: unknown, _body: unknown, signal: AbortSignal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  }
  const requests = new HomeRequests({ clock, logger: silentLogger, suspicion })
  const request = requestOf(tierRequests.members, { limit: 0 })
  const leaves = new AbortController()
  const answer = requests.ask('blob', link as unknown as PeerLink, request, timeoutMs, leaves.signal)
  const pass = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += LOOK_MS) clock.advance(LOOK_MS)
  }
  return { clock, suspicion, requests, link, answer, leaves, pass }
}

test('the only home, of which nothing at all is heard since it was asked, is passed over', async () => {
  const { suspicion, answer, pass } = asking()
  pass(ASK_MS)
  assert.equal(await answer, undefined)
  assert.ok(suspicion.isPassedOver(HOME))
})

test('the only home is waited for while anything comes from it', async () => {
  const { suspicion, link, answer, leaves, pass } = asking()
  for (const _time of [1, 2, 3]) {
    pass(ASK_MS - LOOK_MS)
    link.heardTimes++
  }
  assert.ok(!suspicion.isPassedOver(HOME))
  leaves.abort(new Error('the asker leaves'))
  await assert.rejects(answer, /the asker leaves/)
})

test('a word of the only home is no life for longer than another would take', async () => {
  const { suspicion, link, answer, pass } = asking()
  pass(ASK_MS / 2)
  link.heardTimes++
  pass(ASK_MS + LOOK_MS)
  assert.equal(await answer, undefined)
  assert.ok(suspicion.isPassedOver(HOME))
})

test('a home is mute with a question that it leaves without a word for longer than it takes to say that it is at work', async () => {
  const { requests, link, answer, leaves, pass } = asking()
  const isMute = (key = 'blob'): boolean => requests.isMute(key, link as unknown as PeerLink)
  pass(AT_WORK_AFTER_MS)
  // whatever else it says
  link.heardTimes++
  assert.ok(!isMute())
  pass(OVERLOADED_MS)
  assert.ok(isMute())
  assert.ok(!isMute('another blob'))
  leaves.abort(new Error('the asker leaves'))
  await assert.rejects(answer, /the asker leaves/)
  assert.ok(!isMute())
})

test('a home is not to blame for the time that this process was stopped', async () => {
  const { clock, suspicion, link, answer, leaves } = asking()
  clock.advance(2 * ASK_MS)
  link.heardTimes++
  clock.advance(LOOK_MS)
  assert.ok(!suspicion.isPassedOver(HOME))
  leaves.abort(new Error('the asker leaves'))
  await assert.rejects(answer, /the asker leaves/)
})

/** Where another is left to ask: a home from which something comes, and no answer. */
function askingOneOfTwo() {
  const asked = asking(ASK_MS)
  const { clock, link } = asked
  const passing = (looks: number): void => {
    for (let look = 0; look < looks; look++) {
      link.heardTimes++
      clock.advance(LOOK_MS)
    }
  }
  return { ...asked, passing }
}

test('a home that lives and has no answer in time is suspected, not passed over', async () => {
  const { suspicion, answer, passing } = askingOneOfTwo()
  passing(ASK_MS / LOOK_MS)
  assert.equal(await answer, undefined)
  assert.ok(!suspicion.isPassedOver(HOME))
  assert.deepEqual(suspicion.ranked([HOME, 'other']), ['other'])
})

test('the time that this process was stopped is none that an answer was waited for', async () => {
  const { clock, suspicion, answer, passing } = askingOneOfTwo()
  let isOver = false
  void answer.then(() => (isOver = true))
  clock.advance(3 * ASK_MS)
  // a stop counts as three looks
  passing(ASK_MS / LOOK_MS - 4)
  await Promise.resolve()
  await new Promise(setImmediate)
  assert.ok(!isOver)
  assert.deepEqual(suspicion.ranked([HOME, 'other']), [HOME, 'other'])
  passing(1)
  assert.equal(await answer, undefined)
})

test('an answer that came while this process was stopped is taken, though it was stopped for longer than one is waited for', async () => {
  const suspicion = new Suspicion(systemClock)
  const answer = { kind: 'members', peers: [] }
  const link = {
    peer: { key: HOME, role: 'cache' },
    silent: false,
    heardTimes: 7,
    request: (_request: unknown, _body: unknown, signal: AbortSignal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
        setImmediate(() => {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_000)
          // sockets are read after the timers that are due
          setImmediate(resolve, answer)
        })
      }),
  }
  const requests = new HomeRequests({ clock: systemClock, logger: silentLogger, suspicion })
  const request = requestOf(tierRequests.members, { limit: 0 })
  const never = new AbortController().signal
  assert.equal(await requests.ask('blob', link as unknown as PeerLink, request, 1_000, never), answer)
})
