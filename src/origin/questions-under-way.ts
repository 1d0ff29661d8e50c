import type { Clock } from '../base/clock.ts'
import type { SourceLife } from '../base/patience.ts'
import { ANSWER_MS, MIRROR_ANSWER_MS, SLOW_ANSWER_MS } from '../base/patience.ts'

/** An origin that has answered within this is taken to live: tags are looked up more often. */
const LIVES_MS = 10 * 60_000

/** Which tags and digests of which repositories origins are being asked about, and whether anything is heard of them. */
export class QuestionsUnderWay {
  readonly #clock: Clock
  /** When each was asked, by `repository@target`; the oldest first. */
  readonly #asked = new Map<string, Set<{ readonly at: number }>>()
  #heardAt = Number.NEGATIVE_INFINITY
  /** How long the latest answer took. */
  #tookMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** One more, until it is disposed. */
  add(repository: string, target: string): Disposable {
    const key = `${repository}@${target}`
    const question = { at: this.#clock.now() }
    const same = this.#asked.get(key) ?? new Set()
    this.#asked.set(key, same.add(question))
    return {
      [Symbol.dispose]: () => {
        same.delete(question)
        if (same.size === 0 && this.#asked.get(key) === same) this.#asked.delete(key)
      },
    }
  }

  /** Bytes have come, or a refusal. */
  heard(): void {
    this.#heardAt = this.#clock.now()
  }

  /** An answer has come, to what was asked at `askedAt`. */
  answered(askedAt: number): void {
    this.heard()
    this.#tookMs = this.#heardAt - askedAt
  }

  /** Of what is asked about a target; undefined when nothing is. */
  life(repository: string, target: string): SourceLife | undefined {
    if (!this.#asked.has(`${repository}@${target}`)) return undefined
    const now = this.#clock.now()
    const expected = now - this.#heardAt < LIVES_MS ? this.#byLatestAnswer() : 'unheard'
    const silentMs = now - Math.max(this.#heardAt, this.#oldest())
    return silentMs >= ANSWER_MS[expected] ? 'silent' : expected
  }

  /** What took longer than runtimes are let wait is not waited for again; the answer to that says how it is then. */
  #byLatestAnswer(): SourceLife {
    if (this.#tookMs > SLOW_ANSWER_MS) return 'silent'
    return this.#tookMs > MIRROR_ANSWER_MS ? 'slow' : 'lives'
  }

  /** When the question was put that has waited longest. */
  #oldest(): number {
    let oldest = Number.POSITIVE_INFINITY
    for (const same of this.#asked.values()) for (const { at } of same) oldest = Math.min(oldest, at)
    return oldest
  }
}
