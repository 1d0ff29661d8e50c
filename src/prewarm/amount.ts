import { z } from 'zod'
import type { Amount } from './interface.ts'

const COUNT = /^\d{1,9}$/
const PERCENT = /^(\d{1,3}(?:\.\d{1,4})?)%$/

/** `12` or `10%`; undefined for anything else. */
export function parseAmount(value: unknown): Amount | undefined {
  if (typeof value === 'number')
    return Number.isSafeInteger(value) && value >= 0 ? { kind: 'count', count: value } : undefined
  if (typeof value !== 'string') return undefined
  const text = value.trim()
  if (COUNT.test(text)) return { kind: 'count', count: Number(text) }
  const percent = Number(PERCENT.exec(text)?.[1] ?? Number.NaN)
  return percent >= 0 && percent <= 100 ? { kind: 'percent', percent } : undefined
}

export function amountText(amount: Amount): string {
  return amount.kind === 'count' ? String(amount.count) : `${amount.percent}%`
}

export const EVERYBODY: Amount = { kind: 'percent', percent: 100 }

/** This many of `total`, and not more than there are; part of a host counts as one. */
export function atMost(amount: Amount, total: number): number {
  const chosen = amount.kind === 'count' ? amount.count : Math.ceil((total * amount.percent) / 100 - 1e-9)
  return Math.max(0, Math.min(total, chosen))
}

/** This many of `total`; part of a host counts as none. For limits that may not be passed. */
export function within(amount: Amount, total: number): number {
  return amount.kind === 'count' ? amount.count : Math.floor((total * amount.percent) / 100 + 1e-9)
}

/** Splits `total` by weight into whole numbers that add up to it: the largest remainders get what is left over. */
export function split(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0)
  if (sum === 0) return weights.map(() => 0)
  const exact = weights.map((weight) => (total * weight) / sum)
  const shares = exact.map(Math.floor)
  const byRemainder = exact
    .map((share, i) => ({ i, remainder: share - Math.floor(share) }))
    .sort((a, b) => b.remainder - a.remainder || a.i - b.i)
  let left = total - shares.reduce((all, share) => all + share, 0)
  for (const { i } of byRemainder) {
    if (left-- <= 0) break
    shares[i]!++
  }
  return shares
}

/** The same, with one for each that has a weight; a total that is too small for that grows. */
export function splitOneEach(total: number, weights: readonly number[]): number[] {
  const ones = weights.map((weight): number => (weight > 0 ? 1 : 0))
  const left = total - ones.reduce((sum, one) => sum + one, 0)
  const rest = split(Math.max(0, left), weights)
  return ones.map((one, i) => one + rest[i]!)
}

/** An amount as users write it. */
export const amountValue = z
  .union([z.string().max(12), z.number()], { error: 'is not a number or percentage' })
  .transform((value, context): Amount => {
    const amount = parseAmount(value)
    if (amount !== undefined) return amount
    context.addIssue({ code: 'custom', message: 'is not a number of hosts or a percentage such as 10%' })
    return z.NEVER
  })
