import type { PeerInfo } from '../swarm/index.ts'
import type { Letter } from './letters.ts'
import { MAX_LETTER_BYTES } from './letters.ts'
import type { QuestionName } from './questions.ts'

/*
 * Who may say what to this host's prewarm, and how long it may be: looked at before a byte of a message is parsed.
 */

/** By proven role and region. `near`: any host of this region; `cache`: of this region, of one above or of one below. */
type Sender = 'member' | 'near' | 'nearCache' | 'upperCache' | 'cache'

interface Right {
  readonly from: Sender
  readonly maxBytes: number
}

const SHORT = 1024
/** An order, and beside it what it says for versions that know none. */
const ORDER_BYTES = 384 * 1024

const LETTER_RIGHTS: Record<Letter['kind'], Right> = {
  host: { from: 'near', maxBytes: 8 * 1024 },
  task: { from: 'nearCache', maxBytes: MAX_LETTER_BYTES },
  report: { from: 'near', maxBytes: 32 * 1024 },
  checkIn: { from: 'near', maxBytes: SHORT },
  standing: { from: 'nearCache', maxBytes: SHORT },
  row: { from: 'upperCache', maxBytes: MAX_LETTER_BYTES },
  roster: { from: 'nearCache', maxBytes: MAX_LETTER_BYTES },
  tally: { from: 'cache', maxBytes: MAX_LETTER_BYTES },
  fetched: { from: 'nearCache', maxBytes: SHORT },
}

/** What acts on the fleet (`submit`, `edit`) is anybody's to pass on: an operator's order must be in it. */
const QUESTION_RIGHTS: Record<QuestionName, Right> = {
  submit: { from: 'member', maxBytes: ORDER_BYTES },
  plan: { from: 'member', maxBytes: ORDER_BYTES },
  list: { from: 'member', maxBytes: SHORT },
  show: { from: 'member', maxBytes: SHORT },
  edit: { from: 'member', maxBytes: ORDER_BYTES },
  hosts: { from: 'member', maxBytes: SHORT },
  survey: { from: 'cache', maxBytes: MAX_LETTER_BYTES },
  need: { from: 'cache', maxBytes: MAX_LETTER_BYTES },
}

export interface Receiver {
  readonly region: string
  readonly isParentRegion: (region: string) => boolean
}

/** `unknown`: a later version may say it. `refused`: not from this peer, or not at this length. */
export type Verdict = 'taken' | 'unknown' | 'refused'

/** Looks at the head of a one-way message: every version writes its kind first. */
export function letterVerdict(body: Uint8Array, from: PeerInfo, receiver: Receiver): Verdict {
  return verdict(LETTER_RIGHTS, nameAtHead(body, 'kind'), body, from, receiver)
}

/** The same for a request, whose name comes first. */
export function questionVerdict(body: Uint8Array, from: PeerInfo, receiver: Receiver): Verdict {
  return verdict(QUESTION_RIGHTS, nameAtHead(body, 'name'), body, from, receiver)
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
