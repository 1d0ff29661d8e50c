import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { SwarmHub } from '../../../src/node/swarm-hub.ts'
import type { BinaryLayout, Handlers, PeerLink } from '../../../src/swarm/index.ts'
import { defineMessages, defineRequests } from '../../../src/swarm/index.ts'
import { Vocabulary } from '../../../src/swarm/vocabulary.ts'
import { SilentLink } from '../transfer/fixture.ts'

const layout: BinaryLayout<{ readonly id: number }> = {
  tag: 30,
  write: ({ id }, to) => to.u32(id),
  read: (from) => ({ id: from.u32() }),
}
const probes = defineMessages('content', { probe: z.object({ depth: z.int() }), blip: layout })
const asks = defineRequests({
  sound: { body: z.object({ depth: z.int() }), response: z.object({ kind: z.literal('echo'), after: z.int() }) },
})
const PROTOCOL = { ...probes, ...asks }
type Protocol = typeof PROTOCOL

const probe: Handlers<Protocol>['probe'] = () => {}
const blip: Handlers<Protocol>['blip'] = () => {}
const sound: Handlers<Protocol>['sound'] = async () => ({ kind: 'echo', after: 1 })

/*
 * What must not compile; `npm run types` fails where one of these does. Nothing here is called.
 */
export function refusedByTheCompiler(link: PeerLink, hub: SwarmHub<Protocol>, signal: AbortSignal): void {
  // @ts-expect-error a message without a schema is none
  defineMessages('content', { shout: undefined })
  // @ts-expect-error a request without a schema of its response is none
  defineRequests({ guess: { body: z.object({}) } })
  // @ts-expect-error one whose response does not say which it is is none
  defineRequests({ guess: { body: z.object({}), response: z.object({ size: z.int() }) } })
  // @ts-expect-error a message that nobody handles
  hub.attach({ linked() {}, unlinked() {}, handlers: { blip, sound } })
  // @ts-expect-error a message with a layout of its own that nobody handles
  hub.attach({ linked() {}, unlinked() {}, handlers: { probe, sound } })
  // @ts-expect-error a request that nobody answers
  hub.attach({ linked() {}, unlinked() {}, handlers: { probe, blip } })
  // @ts-expect-error a handler that answers something else
  const wrong: Handlers<Protocol>['sound'] = async () => ({ kind: 'stat', size: 1 })
  // @ts-expect-error a name is not enough to send something
  link.send('shout', { depth: 1 })
  // @ts-expect-error a body that the schema would not take
  link.send(probes.probe, { depth: 'deep' })
  // @ts-expect-error a body that the layout would not take
  link.send(probes.blip, { depth: 1 })
  // @ts-expect-error a body that the request's schema would not take
  void link.request(asks.sound, { deep: 1 }, signal)
  // @ts-expect-error a request cannot be sent one-way
  link.send(asks.sound, { depth: 1 })
  void wrong
}

test('what links bring reaches the handler of its name, and its response has the type of its request', async () => {
  const heard: string[] = []
  const hub = new SwarmHub<Protocol>()
  hub.attach({
    linked() {},
    unlinked() {},
    handlers: {
      probe: (_link, { depth }) => heard.push(`probe ${depth}`),
      blip: (_link, { id }) => heard.push(`blip ${id}`),
      sound: async (_link, { depth }) => ({ kind: 'echo', after: 2 * depth }),
    },
  })
  const link = new SilentLink('a')
  hub.message(link, 'probe', { depth: 7 })
  hub.message(link, 'blip', { id: 8 })
  const never = new AbortController().signal
  assert.deepEqual(await hub.request(link, 'sound', { depth: 9 }, never), { kind: 'echo', after: 18 })
  assert.deepEqual(heard, ['probe 7', 'blip 8'])
})

test('a host names all that its rooms define, and two layouts with one tag are a mistake', () => {
  const vocabulary = new Vocabulary(PROTOCOL)
  assert.deepEqual(vocabulary.names, ['probe', 'blip', 'sound', 'envelopes', 'states'])
  assert.equal(vocabulary.layout(30), probes.blip)
  const other = defineMessages('content', { other: layout })
  assert.throws(() => new Vocabulary({ ...PROTOCOL, ...other }), TypeError)
})
