import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ShoalError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/log.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { RequestServer } from '../../../src/swarm/request-server.ts'
import type { CallFrame, Frame } from '../../../src/swarm/wire.ts'

const MIB = 1024 * 1024
const DIGEST = `sha256:${'ab'.repeat(32)}` as Digest

/** A host that is asked, and a peer that takes one answer whenever the test says so. */
class Asked {
  readonly server: RequestServer
  readonly sent: Frame[] = []
  readonly begun: number[] = []
  refused = 0
  keptBytes = 0
  mayBegin = true
  #unread = 0
  #tell: (() => void) | undefined

  constructor(answerBytes: number) {
    const asked = this
    const kept = new Map<object, number>()
    this.server = new RequestServer(
      {
        logger: silentLogger,
        send: (frame) => {
          this.sent.push(frame)
          this.#unread++
        },
        room: {
          get mayBegin() {
            return asked.mayBegin && asked.#unread === 0
          },
          get mayWrite() {
            return asked.#unread === 0
          },
          whenRoom: (tell) => {
            this.#tell = tell
          },
          keep: (part, bytes) => {
            kept.set(part, bytes)
            this.keptBytes += bytes
          },
          release: (part) => {
            this.keptBytes -= kept.get(part) ?? 0
          },
        },
        answer: async ({ id }) => {
          this.begun.push(id)
          return { kind: 'inline', bytes: new Uint8Array(answerBytes) }
        },
        refused: () => this.refused++,
      },
      32,
    )
  }

  ask(id: number): void {
    const args = { upstream: 'docker.io', repository: 'library/alpine', digest: DIGEST, have: new Uint8Array() }
    this.server.receive({ frame: 'call', id, name: 'join', args } satisfies CallFrame)
  }

  /** The peer reads what it was sent. */
  async read(): Promise<void> {
    this.#unread = 0
    this.#tell?.()
    await setImmediate()
  }

  answers(): string[] {
    return this.sent.map((frame) => {
      assert.ok(frame.frame === 'answer')
      return `${frame.id} ${(frame.result as { kind: string }).kind}`
    })
  }
}

test('a peer that does not read has one answer written, a few kept and the rest refused, and is not forgotten', async () => {
  const asked = new Asked(3 * MIB)
  for (let id = 0; id < 7; id++) asked.ask(id)
  await setImmediate()
  assert.equal(asked.sent.length, 1)
  assert.ok(asked.keptBytes <= 8 * MIB, `${asked.keptBytes} bytes kept`)
  assert.equal(asked.refused, 4)
  for (let i = 0; i < 8; i++) await asked.read()
  assert.deepEqual(asked.answers(), [
    ...['0 inline', '1 inline', '2 inline'],
    ...['3 refused', '4 refused', '5 refused', '6 refused'],
  ])
  assert.equal(asked.keptBytes, 0)
})

test('questions are not looked at while there is no room, and in their order once there is', async () => {
  const asked = new Asked(10)
  asked.mayBegin = false
  for (const id of [3, 1, 2]) asked.ask(id)
  await setImmediate()
  assert.deepEqual(asked.begun, [])
  asked.mayBegin = true
  for (let i = 0; i < 4; i++) await asked.read()
  assert.deepEqual(asked.begun, [3, 1, 2])
  assert.deepEqual(asked.answers(), ['3 inline', '1 inline', '2 inline'])
})

test('an abandoned question is not looked at, and its slot is free; so is that of an answer that waits', async () => {
  const asked = new Asked(MIB)
  asked.ask(1)
  asked.ask(2)
  await setImmediate()
  assert.equal(asked.keptBytes, MIB)
  asked.server.abandon(2)
  assert.equal(asked.keptBytes, 0)
  asked.ask(3)
  asked.server.abandon(3)
  await asked.read()
  asked.ask(2)
  await setImmediate()
  assert.deepEqual(asked.begun, [1, 2, 2])
  assert.deepEqual(asked.answers(), ['1 inline', '2 inline'])
})

test('a link that ends keeps no answers', async () => {
  const asked = new Asked(MIB)
  for (const id of [1, 2, 3]) asked.ask(id)
  await setImmediate()
  assert.ok(asked.keptBytes > 0)
  asked.server.end(new ShoalError('PEER_GONE', 'over'))
  assert.equal(asked.keptBytes, 0)
})
