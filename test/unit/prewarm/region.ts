import assert from 'node:assert/strict'
import { decodeMessage } from '../../../src/orders/codec.ts'
import { Messenger } from '../../../src/orders/messenger.ts'
import type { HostReport, JobRow, Share } from '../../../src/prewarm/interface.ts'
import { Inventory } from '../../../src/prewarm/inventory.ts'
import { advanceJob, createJob } from '../../../src/prewarm/job.ts'
import type { PrewarmMessages, Task } from '../../../src/prewarm/messages.ts'
import type { PrewarmRequests } from '../../../src/prewarm/requests.ts'
import { PREWARM_WORDS } from '../../../src/prewarm/requests.ts'
import { Rollout } from '../../../src/prewarm/rollout.ts'
import type { PeerInfo, PeerLink } from '../../../src/swarm/index.ts'
import { said } from '../../support/said.ts'
import { capacityOf, newJob, planOf, reportOf, specOf } from './fixtures.ts'

const SELF: PeerInfo = { key: 'cache-00001', role: 'cache', region: 'a', zone: null, addresses: ['10.0.0.1:7071'] }
export const GONE_MS = 60_000
export const PLAN = planOf(200)

/** A region's leader with hosts that only write down what they are told. */
export class Region {
  readonly told = new Map<string, Task[]>()
  readonly links = new Map<string, PeerLink>()
  readonly inventory = new Inventory()
  readonly job: Rollout
  row: JobRow
  now = 1_000

  constructor(request: Record<string, unknown>, hosts: number) {
    for (let i = 0; i < hosts; i++) this.join(`host-${String(i).padStart(5, '0')}`)
    const spec = specOf(request)
    this.row = createJob(
      newJob({ id: 'job-00001', root: 'a', spec, plan: PLAN, capacities: [capacityOf('a', hosts)] }),
      this.now,
    )
    this.job = this.leader()
  }

  leader(): Rollout {
    const swarm = { self: SELF, links: this.links, caches: new Map() }
    const messenger = new Messenger<PrewarmMessages, PrewarmRequests>({
      tier: { isCache: () => true },
      swarm,
      requests: PREWARM_WORDS.requests,
      receiver: { deliver: () => {} },
    })
    const clock = { now: () => this.now, wall: () => this.now, after: () => ({ [Symbol.dispose]() {} }) }
    return new Rollout(this.row, { clock, messenger, inventory: this.inventory, goneMs: GONE_MS })
  }

  join(key: string, remote?: string): void {
    const peer: PeerInfo = { key, role: 'agent', region: 'a', zone: null, addresses: [`${key}:7071`] }
    this.told.set(key, this.told.get(key) ?? [])
    const unused = (): never => {
      throw new TypeError('a host of this test is only sent to')
    }
    this.links.set(key, {
      remote,
      peer,
      direction: 'inbound',
      request: unused,
      sendPiece: unused,
      expect: unused,
      forget: unused,
      close: unused,
      silent: false,
      heardTimes: 0,
      hasRoom: true,
      speaks: () => true,
      breach: unused,
      send: ({ name }, body) => {
        const message = said(name, body)
        const task = message.type === 'letter' ? decodeMessage(PREWARM_WORDS.messages, message.body) : undefined
        assert.ok(task?.kind === 'task')
        this.told.get(key)?.push(task.task)
      },
    })
    this.inventory.note(peer, { name: 'web', labels: {}, freeBytes: 1 })
  }

  leave(key: string): void {
    this.links.delete(key)
    this.inventory.forget(key)
    this.job.unlinked(key)
  }

  get share(): Share {
    return this.row.shares.a!
  }

  step(): void {
    this.job.update(this.row)
    this.job.step(this.share, PLAN)
  }

  report(key: string, fields: Partial<HostReport>): void {
    this.job.report({ key, name: key }, reportOf({ revision: this.row.taskRevision, ...fields }))
  }

  advance(): void {
    this.row = advanceJob(this.row, new Map([['a', this.job.tally()]]), this.now) ?? this.row
    this.step()
  }

  /** Hosts that were told something, in the job's order. */
  get reached(): string[] {
    return this.job.roster.map(({ key }) => key).filter((key) => (this.told.get(key)?.length ?? 0) > 0)
  }
}
