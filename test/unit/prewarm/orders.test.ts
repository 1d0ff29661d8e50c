import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { laterThan, signOrder } from '../../../src/orders/order-kind.ts'
import { Orders } from '../../../src/orders/orders.ts'
import type { PrewarmPatch, PrewarmSpec, ToldRow } from '../../../src/prewarm/interface.ts'
import { applyPatch, createJob, patchJob, summaryOf } from '../../../src/prewarm/job.ts'
import { EDIT_ORDER, JOB_ORDER, orderedSpec, withOrder } from '../../../src/prewarm/job-orders.ts'
import type { FleetKey, Order } from '../../../src/trust/index.ts'
import { agentKeyOf, FleetTrust, generateFleetKey, giveOrder, giveOrderAsCache } from '../../../src/trust/index.ts'
import { clockAt } from '../../support/manual-clock.ts'
import { capacityOf, planOf, specOf } from './fixtures.ts'

const NOW = 1_800_000_000_000
const MINUTE_MS = 60_000
const ID = 'job-00001'
const KEY = generateFleetKey()
const OPERATOR = new FleetTrust(KEY)

function ordersOf(key: FleetKey = KEY, region = 'eu'): Orders {
  return new Orders({
    trust: new FleetTrust(key),
    clock: clockAt(() => NOW),
    logger: silentLogger,
    region,
    isParentRegion: (name) => name === 'core',
  })
}

function orderChange(patch: PrewarmPatch, issuedEpochMs: number): Order {
  return signOrder(OPERATOR, EDIT_ORDER, { id: ID, content: patch, issuedEpochMs })!
}

function specBy(orders: Orders, row: ToldRow, proven?: readonly Order[]): PrewarmSpec | undefined {
  return orderedSpec(orders, row, proven)
}

function jobOrdered(at = NOW, spec: unknown = specOf(), id = ID, key: FleetKey = KEY): Order {
  return giveOrder(new FleetTrust(key), { verb: 'prewarm', subject: id, content: spec, issuedEpochMs: at })!
}

/** As another cache tells it. */
function rowOf(order: Order): ToldRow {
  const made = { id: ID, root: 'core', spec: specOf(), plan: planOf(), order, orderedEpochMs: NOW }
  return { ...createJob({ ...made, capacities: [capacityOf('eu', 3)] }, NOW), plan: planOf() }
}

function changed({ plan, ...row }: ToldRow, patch: PrewarmPatch, at: number): ToldRow {
  const order = orderChange(patch, laterThan(row.orderedEpochMs, at))
  const next = patchJob({ ...row, plan: summaryOf(plan) }, patch, at)
  return { ...next, plan, orders: withOrder(row.orders, order) }
}

describe('an order to act on the fleet', () => {
  it('counts when an operator has just given it, and not otherwise', () => {
    const tampered = { ...jobOrdered(), text: jobOrdered().text }
    const asCache = (region: string): Order =>
      giveOrderAsCache(OPERATOR, region, { verb: 'prewarm', subject: ID, content: specOf(), issuedEpochMs: NOW })!
    const cases: readonly [name: string, order: Order | undefined, code: string | undefined][] = [
      ['fresh', jobOrdered(), undefined],
      ['a clock four minutes off', jobOrdered(NOW + 4 * MINUTE_MS), undefined],
      ['of a cache of this region', asCache('eu'), undefined],
      ['of a cache of the region above', asCache('core'), undefined],
      ['of a cache of a region below', asCache('edge'), 'ORDER_REQUIRED'],
      ['none', undefined, 'ORDER_REQUIRED'],
      ['six minutes old: a replay', jobOrdered(NOW - 6 * MINUTE_MS), 'ORDER_REQUIRED'],
      ['of the future', jobOrdered(NOW + 6 * MINUTE_MS), 'ORDER_REQUIRED'],
      ['of another fleet', jobOrdered(NOW, specOf(), ID, generateFleetKey()), 'ORDER_REQUIRED'],
      ["with another order's signature", tampered, 'ORDER_REQUIRED'],
      ['without a signature', { ...jobOrdered(), signature: new Uint8Array() }, 'ORDER_REQUIRED'],
      ['to change a job', orderChange({}, NOW), 'ORDER_REQUIRED'],
      ['a pin of 1e300 ms', jobOrdered(NOW, { ...specOf(), pinMs: 1e300 }), 'PREWARM_INVALID'],
      ['a deadline that is no number', jobOrdered(NOW, { ...specOf(), deadlineMs: 'soon' }), 'PREWARM_INVALID'],
      ['waves that shrink', jobOrdered(NOW, { ...specOf(), waves: [{ kind: 'count', count: 5 }] }), 'PREWARM_INVALID'],
      ['an image of no grammar', jobOrdered(NOW, { ...specOf(), images: ['../etc'] }), 'PREWARM_INVALID'],
      ['no id of a job', jobOrdered(NOW, specOf(), '../etc/passwd'), 'PREWARM_INVALID'],
    ]
    for (const [name, order, code] of cases) {
      let got: string | undefined
      try {
        assert.deepEqual(ordersOf().check(JOB_ORDER, order).content, specOf())
      } catch (error) {
        assert.ok(isShoalError(error), `${name}: ${error}`)
        got = error.code
      }
      assert.equal(got, code, name)
    }
  })

  it('is given by caches and by nobody who holds an agent key alone', () => {
    assert.equal(ordersOf().check(JOB_ORDER, ordersOf().give(JOB_ORDER, ID, specOf()).order).id, ID)
    const agent = ordersOf(agentKeyOf(KEY))
    assert.throws(
      () => agent.give(JOB_ORDER, ID, specOf()),
      (error) => isShoalError(error, 'ORDER_REQUIRED') && /--credential/.test(error.message),
    )
    assert.throws(
      () => agent.give(EDIT_ORDER, ID, {}),
      (error) => isShoalError(error, 'ORDER_REQUIRED'),
    )
    assert.equal(
      signOrder(new FleetTrust(agentKeyOf(KEY)), JOB_ORDER, { id: ID, content: specOf(), issuedEpochMs: NOW }),
      undefined,
    )
    // what it cannot give it can still check
    assert.equal(agent.check(JOB_ORDER, jobOrdered()).id, ID)
  })
})

describe('a job as another cache tells it', () => {
  const orders = ordersOf()

  it('is what its orders say, changes included, for as long as it lives', () => {
    const row = rowOf(jobOrdered(NOW - 300 * 86_400_000))
    assert.deepEqual(specBy(orders, row), specOf())
    const faster = changed(row, { rateBytesPerSec: 5, pinMs: 7 }, NOW + 1)
    assert.deepEqual(specBy(orders, faster), { ...specOf(), rateBytesPerSec: 5, pinMs: 7 })
    const ended = { ...faster, state: 'failed' as const, spec: { ...faster.spec, joinMs: 0 } }
    assert.equal(specBy(orders, ended)?.joinMs, 0)
  })

  it('is nothing when they do not prove it', () => {
    const row = rowOf(jobOrdered())
    const own = changed(row, { pinMs: 5 }, NOW + 1)
    const cases: readonly [name: string, row: ToldRow][] = [
      ['of another fleet', rowOf(jobOrdered(NOW, specOf(), ID, generateFleetKey()))],
      ['an order for another job', rowOf(jobOrdered(NOW, specOf(), 'job-00002'))],
      ['changes alone', { ...own, orders: own.orders.slice(1) }],
      [
        'a change that nobody signed',
        { ...own, orders: [own.orders[0]!, { ...own.orders[1]!, signature: new Uint8Array(64) }] },
      ],
      [
        'other images than were ordered',
        { ...row, plan: { ...row.plan, images: [{ ...row.plan.images[0]!, repository: 'library/evil' }] } },
      ],
      [
        'more images than were ordered',
        { ...row, plan: { ...row.plan, images: [row.plan.images[0]!, row.plan.images[0]!] } },
      ],
    ]
    for (const [name, one] of cases) assert.equal(specBy(orders, one), undefined, name)
    // what it says beside them is not believed
    assert.deepEqual(specBy(orders, { ...row, spec: { ...row.spec, load: 'docker', pinMs: 9 } }), specOf())
  })

  it('holds on when the credential of who ordered it has ended', () => {
    const row = rowOf(jobOrdered())
    const later = ordersOf(generateFleetKey())
    assert.equal(specBy(later, row), undefined)
    assert.deepEqual(specBy(later, row, row.orders), specOf())
  })

  it('keeps no more changes than there are things to change', () => {
    let row = rowOf(jobOrdered())
    for (let i = 1; i <= 200; i++) {
      const patch: PrewarmPatch =
        i % 3 === 0 ? { state: 'paused' } : i % 2 === 0 ? { pinMs: i } : { rateBytesPerSec: i }
      row = { ...changed(row, patch, NOW + i), orderedEpochMs: NOW + i, state: 'running' }
    }
    assert.equal(row.orders.length, 3)
    assert.deepEqual(specBy(orders, row), applyPatch(specOf(), { pinMs: 200, rateBytesPerSec: 199 }))
  })
})
