import { requireDigest } from '../../../src/oci/digest.ts'
import { signOrder } from '../../../src/orders/order-kind.ts'
import type { HostReport, Plan, PrewarmSpec, RegionCapacity, Tally } from '../../../src/prewarm/interface.ts'
import type { NewJob } from '../../../src/prewarm/job.ts'
import { JOB_ORDER } from '../../../src/prewarm/job-orders.ts'
import { parsePrewarmSpec } from '../../../src/prewarm/spec.ts'
import { FleetTrust, LOOPBACK_KEY } from '../../../src/trust/index.ts'

const MIB = 1024 * 1024

export function specOf(request: Record<string, unknown> = {}): PrewarmSpec {
  return parsePrewarmSpec({ images: ['docker.io/library/app:1'], ...request })
}

/** A job as an operator has ordered it. */
export function newJob(job: Omit<NewJob, 'order' | 'orderedEpochMs'>): NewJob {
  const order = signOrder(new FleetTrust(LOOPBACK_KEY), JOB_ORDER, {
    id: job.id,
    content: job.spec,
    issuedEpochMs: 1_000,
  })
  if (order === undefined) throw new Error('everybody has the loopback key')
  return { ...job, order, orderedEpochMs: 1_000 }
}

export function planOf(blobs = 3): Plan {
  const digest = (i: number) => requireDigest(`sha256:${i.toString(16).padStart(64, '0')}`)
  const upstream = 'docker.io'
  const repository = 'library/app'
  const reference = `${upstream}/${repository}:1`
  const image = { reference, upstream, repository, tag: '1', digest: digest(999), manifests: [digest(999)] }
  return {
    images: [{ ...image, bytes: blobs * MIB }],
    blobs: Array.from({ length: blobs }, (_, i) => ({ digest: digest(i), size: MIB, image: 0 })),
    bytes: blobs * MIB,
  }
}

export function capacityOf(region: string, matching: number): RegionCapacity {
  return {
    region,
    hosts: matching,
    matching,
    withoutRoom: 0,
    roomless: [],
    missingBytes: 0,
    hostsLackBytes: 0,
    absent: false,
  }
}

export function tallyOf(selected: number, hosts: Partial<Tally['hosts']> = {}, begun?: number): Tally {
  const counts = { moving: 0, loading: 0, ready: 0, failed: 0, skipped: 0, ...hosts }
  const at = Object.values(counts).reduce((sum, count) => sum + count, 0)
  return {
    selected,
    begun: begun ?? at,
    hosts: { waiting: selected - at, ...counts },
    haveBytes: 0,
    skippedBytes: 0,
    setAside: 0,
    moved: { peer: 0, home: 0, parent: 0, origin: 0 },
    originBytes: 0,
    reasons: [],
    slowestSeconds: null,
  }
}

export function reportOf(fields: Partial<HostReport> = {}): HostReport {
  return {
    revision: 1,
    state: 'moving',
    haveBytes: 0,
    blobs: new Uint8Array(1),
    moved: { peer: 0, home: 0, parent: 0, origin: 0 },
    ...fields,
  }
}
