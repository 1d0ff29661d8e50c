import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { amountText, atMost, parseAmount, split, within } from '../../../src/prewarm/amount.ts'
import type { Amount } from '../../../src/prewarm/interface.ts'

describe('amounts of hosts', () => {
  it('are numbers or percentages, and nothing else', () => {
    const cases: readonly [text: unknown, amount: Amount | undefined][] = [
      ['12', { kind: 'count', count: 12 }],
      [12, { kind: 'count', count: 12 }],
      ['10%', { kind: 'percent', percent: 10 }],
      ['0.5%', { kind: 'percent', percent: 0.5 }],
      ['100%', { kind: 'percent', percent: 100 }],
      ['101%', undefined],
      ['-1', undefined],
      [-1, undefined],
      [1.5, undefined],
      ['1.5', undefined],
      ['', undefined],
      ['ten', undefined],
      [null, undefined],
    ]
    for (const [text, amount] of cases) {
      assert.deepEqual(parseAmount(text), amount, String(text))
      if (amount !== undefined) assert.deepEqual(parseAmount(amountText(amount)), amount)
    }
  })

  it('round up when they choose, down when they limit', () => {
    const cases: readonly [amount: string, total: number, chosen: number, allowed: number][] = [
      ['10%', 10, 1, 1],
      ['10%', 11, 2, 1],
      ['5%', 1, 1, 0],
      ['5%', 20, 1, 1],
      ['100%', 7, 7, 7],
      ['0%', 7, 0, 0],
      ['29%', 100, 29, 29],
      ['3', 2, 2, 3],
      ['3', 12, 3, 3],
    ]
    for (const [text, total, chosen, allowed] of cases) {
      const amount = parseAmount(text)!
      assert.deepEqual([atMost(amount, total), within(amount, total)], [chosen, allowed], `${text} of ${total}`)
    }
  })

  it('are split by weight without losing or inventing a host', () => {
    const cases: readonly [total: number, weights: number[], shares: number[]][] = [
      [1, [5, 7], [0, 1]],
      [1, [6, 6], [1, 0]],
      [10, [1, 1, 1], [4, 3, 3]],
      [7, [0, 7], [0, 7]],
      [5, [0, 0], [0, 0]],
      [0, [3, 4], [0, 0]],
      [12, [6, 6], [6, 6]],
    ]
    for (const [total, weights, shares] of cases)
      assert.deepEqual(split(total, weights), shares, `${total} of ${weights}`)
    for (let total = 0; total < 200; total += 7) {
      const sum = split(total, [13, 1, 86, 41]).reduce((all, share) => all + share, 0)
      assert.equal(sum, total)
    }
  })
})
