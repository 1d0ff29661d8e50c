import { PROTOCOL } from '../../src/node/protocol.ts'
import type { BodyOf, Message } from '../../src/swarm/index.ts'
import { linkMessages } from '../../src/swarm/index.ts'
import { Vocabulary } from '../../src/swarm/vocabulary.ts'
import type { MessageFrame, ReceivedFrame } from '../../src/swarm/wire.ts'
import { decodeFrame } from '../../src/swarm/wire.ts'

/** Every message and request that a daemon knows. */
export const SPOKEN = { ...linkMessages, ...PROTOCOL }
type All = typeof SPOKEN
type MessageName = { [N in keyof All]: All[N] extends Message ? N : never }[keyof All]

/** What a daemon understands. */
export const VOCABULARY = new Vocabulary(SPOKEN)

/** A message with its name, as tests write it down. */
export type Said = { [N in MessageName]: { readonly type: N } & BodyOf<All[N]> }[MessageName]

/** Those with a layout of their own. */
export type Binary = Extract<Said, { type: 'have' | 'request' | 'want' | 'cancel' | 'busy' }>

export function said(name: string, body: unknown): Said {
  return Object.assign({ type: name }, body) as Said
}

export function frameOf({ type, ...body }: Said): MessageFrame {
  return { frame: 'message', message: SPOKEN[type], body }
}

/** As a daemon reads a frame without its length. */
export function read(body: Uint8Array): ReceivedFrame {
  return decodeFrame(body, VOCABULARY)
}
