import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { requireDigest } from '../../../src/oci/digest.ts'
import type { Claim } from '../../../src/prewarm/host-budget.ts'
import { byTurn, divide } from '../../../src/prewarm/host-budget.ts'

const MIB = 1024 * 1024
const ALL = Number.POSITIVE_INFINITY
const [A, B, C] = ['a', 'b', 'c'].map((hex) => requireDigest(`sha256:${hex.repeat(64)}`))

function claim(blobs: readonly (typeof A)[], other: Partial<Claim> = {}, pieces = 8): Claim {
  const wanted = blobs.map((digest) => ({ digest: digest!, pieces, pieceSize: MIB }))
  return { priority: 0, allowanceBytes: ALL, isStalled: false, wanted, ...other }
}

/** How many pieces of each of some blobs may come. */
function given(claims: readonly Claim[], allowanceBytes: number, ...blobs: (typeof A)[]): (number | undefined)[] {
  const { pieces } = divide(claims, allowanceBytes)
  return blobs.map((digest) => pieces.get(digest!))
}

describe('what a host may ask for', () => {
  it('goes to the first job, and what that leaves to the next', () => {
    const [first, second] = [claim([A]), claim([B])]
    assert.deepEqual(given([first, second], 5 * MIB, A, B), [5, 0])
    assert.deepEqual(given([first, second], 10.5 * MIB, A, B), [8, 2])
  })

  it("is no more than a job's own rate, and the rest is the others'", () => {
    assert.deepEqual(given([claim([A], { allowanceBytes: 3 * MIB }), claim([B])], 10 * MIB, A, B), [3, 7])
    assert.deepEqual(given([claim([A], { allowanceBytes: 3 * MIB, priority: 5 }), claim([B])], ALL, A, B), [3, ALL])
  })

  it('goes to the blobs of a job in their order', () => {
    assert.deepEqual(given([claim([A, B])], 9 * MIB, A, B), [8, 1])
  })

  it('is all without a rate, for jobs of one priority', () => {
    assert.deepEqual(given([claim([A]), claim([B])], ALL, A, B), [ALL, ALL])
  })

  it('without a rate goes to the highest priority alone while that moves', () => {
    const low = claim([B])
    assert.deepEqual(given([claim([A], { priority: 1 }), low], ALL, A, B), [ALL, 0])
    assert.deepEqual(given([claim([A], { priority: 1, isStalled: true }), low], ALL, A, B), [ALL, ALL])
    assert.deepEqual(given([claim([], { priority: 1 }), low], ALL, B), [ALL], 'it has nothing under way')
  })

  it('is not reserved for a job whose sources give nothing', () => {
    assert.deepEqual(given([claim([A], { isStalled: true }), claim([B])], 4 * MIB, A, B), [4, 4])
  })

  it('is spent once for a blob that two jobs want', () => {
    assert.deepEqual(given([claim([A]), claim([A, B])], 10 * MIB, A, B), [8, 2])
    assert.deepEqual(given([claim([A], { allowanceBytes: 2 * MIB }), claim([A, C])], 12 * MIB, A, C), [8, 4])
    assert.deepEqual(given([claim([A]), claim([A], { allowanceBytes: 2 * MIB })], ALL, A), [ALL])
  })

  it('says who was given something', () => {
    assert.deepEqual(divide([claim([A]), claim([B]), claim([])], 8 * MIB).isGiven, [true, false, false])
  })
})

describe('the turn of jobs on a host', () => {
  it('is by priority, then by age', () => {
    const jobs = [
      { job: 'job-00003', priority: 0 },
      { job: 'job-00004', priority: 9 },
      { job: 'job-00002', priority: -1 },
      { job: 'job-00001', priority: 0 },
    ]
    const order = jobs.toSorted(byTurn).map(({ job }) => job)
    assert.deepEqual(order, ['job-00004', 'job-00001', 'job-00003', 'job-00002'])
  })
})
