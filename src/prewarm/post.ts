import { ShoalError } from '../base/errors.ts'
import type { PeerInfo, PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Letter } from './letters.ts'
import { encodeLetter, MAX_LETTER_BYTES } from './letters.ts'
import type { Answer, QuestionName, QuestionOf } from './questions.ts'
import { decodeAnswer, encodeQuestion } from './questions.ts'

/** Hosts in one letter: it must fit whatever their names are. */
const ROSTER_PART = 1_000

type LetterOf<K extends Letter['kind']> = Extract<Letter, { kind: K }>

export interface PostDeps {
  readonly swarm: Pick<Swarm, 'self' | 'links' | 'caches'>
  readonly tier: Pick<Tier, 'isCache'>
  /** Receives what this host sends to itself, as it receives what others send. */
  readonly deliver: (from: PeerInfo, letter: Letter) => void
}

/** Sends letters to linked hosts, and to this one; what cannot be sent is dropped: everything is said again. */
export class Post {
  readonly #deps: PostDeps

  constructor(deps: PostDeps) {
    this.#deps = deps
  }

  get self(): PeerInfo {
    return this.#deps.swarm.self
  }

  reaches(key: string): boolean {
    return key === this.self.key || this.#deps.swarm.links.has(key)
  }

  linkTo(key: string): PeerLink | undefined {
    return this.#deps.swarm.links.get(key)
  }

  /** `body` is the letter's encoding, when many get the same. Answers whether there was a way. */
  send(to: string, letter: Letter, body?: Uint8Array): boolean {
    const { swarm, deliver } = this.#deps
    if (to === swarm.self.key) {
      // not within the sender's own turn, as with others
      queueMicrotask(() => deliver(swarm.self, letter))
      return true
    }
    const link = swarm.links.get(to)
    const bytes = body ?? encodeLetter(letter)
    if (link === undefined || bytes.length > MAX_LETTER_BYTES) return false
    link.send({ type: 'letter', body: bytes })
    return true
  }

  /** Hosts of a job in their order, from place `first` on, in as many letters as it takes; one also for none. */
  sendRoster(peers: readonly PeerInfo[], { job, first, hosts }: Omit<LetterOf<'roster'>, 'kind'>): void {
    for (let at = 0; at === 0 || at < hosts.length; at += ROSTER_PART) {
      const part = hosts.slice(at, at + ROSTER_PART)
      for (const { key } of peers) this.send(key, { kind: 'roster', job, first: first + at, hosts: part })
    }
  }

  /** Linked caches that `fits`. */
  caches(fits: (peer: PeerInfo) => boolean): PeerLink[] {
    const { swarm, tier } = this.#deps
    return [...swarm.caches.values()].filter(({ peer }) => tier.isCache(peer) && fits(peer))
  }

  /** Asks a linked host. Throws what it answers with, `PEER_GONE`, or `UNAVAILABLE`. */
  async ask<N extends QuestionName>(link: PeerLink, question: QuestionOf<N>, signal: AbortSignal): Promise<Answer<N>> {
    const body = encodeQuestion({ ...question, hops: question.hops + 1 })
    if (body.length > MAX_LETTER_BYTES) throw new ShoalError('PREWARM_IMPOSSIBLE', 'the job is too large to be sent on')
    const result = await link.call('prewarm', { body }, signal)
    if (result.kind === 'refused') throw new ShoalError('UNAVAILABLE', result.message)
    return decodeAnswer(question.name, result.body)
  }
}
