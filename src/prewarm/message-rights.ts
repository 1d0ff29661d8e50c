import type { PeerInfo } from '../swarm/index.ts'
import { PREWARM_MESSAGES } from './messages.ts'
import { PREWARM_REQUESTS } from './requests.ts'

/*
 * Who may say what to this host's prewarm, and how long it may be: looked at before a byte of a message is parsed.
 */

/** By proven role and region. `near`: any host of this region; `cache`: of this region, of one above or of one below. */
type Sender = 'member' | 'near' | 'nearCache' | 'upperCache' | 'cache'

/** From whom something is taken, and how long it may be. */
export interface Right {
  readonly from: Sender
  readonly maxBytes: number
}

export interface Receiver {
  readonly region: string
  readonly isParentRegion: (region: string) => boolean
}

/** `unknown`: a later version may say it. `refused`: not from this peer, or not at this length. */
type Verdict = 'taken' | 'unknown' | 'refused'

/** Looks at the head of a one-way message: every version writes its kind first. */
export function messageVerdict(body: Uint8Array, from: PeerInfo, receiver: Receiver): Verdict {
  return verdict(PREWARM_MESSAGES, nameAtHead(body, 'kind'), body, from, receiver)
}

/** The same for a request, whose name comes first. */
export function requestVerdict(body: Uint8Array, from: PeerInfo, receiver: Receiver): Verdict {
  return verdict(PREWARM_REQUESTS, nameAtHead(body, 'name'), body, from, receiver)
}

function verdict(
  rights: Readonly<Record<string, Right>>,
  name: string | undefined,
  { length }: Uint8Array,
  from: PeerInfo,
  receiver: Receiver,
): Verdict {
  const right = name !== undefined && Object.hasOwn(rights, name) ? rights[name] : undefined
  if (right === undefined) return 'unknown'
  return length <= right.maxBytes && isSender(right.from, from, receiver) ? 'taken' : 'refused'
}

function isSender(sender: Sender, { role, region }: PeerInfo, receiver: Receiver): boolean {
  const isNear = region === receiver.region
  switch (sender) {
    case 'member':
      return true
    case 'near':
      return isNear
    case 'nearCache':
      return role === 'cache' && isNear
    case 'upperCache':
      return role === 'cache' && (isNear || receiver.isParentRegion(region))
    case 'cache':
      return role === 'cache'
    default:
      return sender satisfies never
  }
}

const HEAD_BYTES = 64

function nameAtHead(body: Uint8Array, key: 'kind' | 'name'): string | undefined {
  const head = Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, HEAD_BYTES)).toString('latin1')
  const match = /^\{"(kind|name)":"([A-Za-z]{1,32})"/.exec(head)
  return match?.[1] === key ? match[2] : undefined
}
