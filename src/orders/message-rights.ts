import type { PeerInfo } from '../swarm/index.ts'
import type { MessageTable, RequestTable, Right, Sender } from './words.ts'

/*
 * Who may say what to this host, and how long it may be: looked at before a byte of a message is parsed.
 */

export interface Here {
  readonly region: string
  readonly isParentRegion: (region: string) => boolean
}

/** `unknown`: a later version may say it. `refused`: not from this peer, or not at this length. */
type Verdict = 'taken' | 'unknown' | 'refused'

/** Looks at the head of a one-way message: every version writes its kind first. */
export function messageVerdict(table: MessageTable, body: Uint8Array, from: PeerInfo, here: Here): Verdict {
  return verdict(table, nameAtHead(body, 'kind'), body, from, here)
}

/** The same for a request, whose name comes first. */
export function requestVerdict(table: RequestTable, body: Uint8Array, from: PeerInfo, here: Here): Verdict {
  return verdict(table, nameAtHead(body, 'name'), body, from, here)
}

function verdict(
  rights: Readonly<Record<string, Right>>,
  name: string | undefined,
  { length }: Uint8Array,
  from: PeerInfo,
  here: Here,
): Verdict {
  const right = name !== undefined && Object.hasOwn(rights, name) ? rights[name] : undefined
  if (right === undefined) return 'unknown'
  return length <= right.maxBytes && isSender(right.from, from, here) ? 'taken' : 'refused'
}

function isSender(sender: Sender, { role, region }: PeerInfo, here: Here): boolean {
  const isNear = region === here.region
  switch (sender) {
    case 'member':
      return true
    case 'near':
      return isNear
    case 'nearCache':
      return role === 'cache' && isNear
    case 'upperCache':
      return role === 'cache' && (isNear || here.isParentRegion(region))
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
