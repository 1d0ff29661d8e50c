import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SourceLife } from '../../../src/base/patience.ts'
import { LIVING_ANSWER_MS, MIRROR_ANSWER_MS, SLOW_ANSWER_MS } from '../../../src/base/patience.ts'
import { QuestionsUnderWay } from '../../../src/origin/questions-under-way.ts'
import { ManualClock } from '../../support/manual-clock.ts'

describe('what is known of an origin that is asked', () => {
  test('that it is unheard of, before it has ever answered; then that it is silent', () => {
    const { clock, questions } = setUp()
    assert.equal(questions.life('app', 'v1'), undefined)
    using _asking = questions.add('app', 'v1')
    assert.equal(questions.life('app', 'v1'), 'unheard')
    clock.advance(MIRROR_ANSWER_MS)
    assert.equal(questions.life('app', 'v1'), 'silent')
    assert.equal(questions.life('app', 'v2'), undefined, 'of what nobody asks')
  })

  test('one that has answered lives, also while it needs longer than runtimes wait', () => {
    const { clock, questions } = setUp()
    questions.heard()
    clock.advance(60_000)
    using _asking = questions.add('app', 'v1')
    clock.advance(LIVING_ANSWER_MS - 1)
    assert.equal(questions.life('app', 'v1'), 'lives')
    clock.advance(1)
    assert.equal(questions.life('app', 'v1'), 'silent')
  })

  test('one whose latest answer was slow is waited for as long, or not again, until one comes sooner', () => {
    const { clock, questions } = setUp()
    const answeredAfter = (ms: number): SourceLife | undefined => {
      const askedAt = clock.now()
      clock.advance(ms)
      questions.answered(askedAt)
      using _next = questions.add('app', 'v1')
      return questions.life('app', 'v1')
    }
    assert.equal(answeredAfter(MIRROR_ANSWER_MS), 'lives')
    assert.equal(answeredAfter(MIRROR_ANSWER_MS + 1), 'slow')
    assert.equal(answeredAfter(SLOW_ANSWER_MS), 'slow')
    assert.equal(answeredAfter(SLOW_ANSWER_MS + 1), 'silent')
    assert.equal(answeredAfter(1), 'lives')
  })

  test('what it answers to others counts, and what nobody waits for any more does not', () => {
    const { clock, questions } = setUp()
    questions.heard()
    using _asking = questions.add('app', 'v1')
    clock.advance(LIVING_ANSWER_MS - 1)
    questions.heard()
    clock.advance(LIVING_ANSWER_MS - 1)
    assert.equal(questions.life('app', 'v1'), 'lives')
    questions.add('app', 'v2')[Symbol.dispose]()
    assert.equal(questions.life('app', 'v2'), undefined)
  })

  test('what is asked while another question waits in vain is known to wait for a silent one', () => {
    const { clock, questions } = setUp()
    using _first = questions.add('app', 'v1')
    clock.advance(MIRROR_ANSWER_MS)
    using _second = questions.add('app', 'v2')
    assert.equal(questions.life('app', 'v2'), 'silent')
  })
})

function setUp(): { clock: ManualClock; questions: QuestionsUnderWay } {
  const clock = new ManualClock()
  return { clock, questions: new QuestionsUnderWay(clock) }
}
