import type { HostView, PrewarmPlanView, PrewarmView } from '../prewarm/index.ts'
import { amountText } from '../prewarm/index.ts'
import { plainTable } from './plain-table.ts'
import { durationText, partsText, rateText, sizeText } from './quantity-text.ts'

/** What a job would do, for eyes. */
export function planText(plan: PrewarmPlanView): string {
  const { images, bytes, hosts, waves, regions, absent, leastSeconds } = plan
  const least = leastSeconds === null ? 'as fast as the network allows' : `${durationText(leastSeconds)} by its rates`
  const head = plainTable([
    ...images.map(({ reference, digest, bytes: size }) => ['Image', `${reference} ${digest} (${sizeText(size)})`]),
    ['Each host', `${sizeText(bytes.perHost)} in ${plan.blobs} blobs`],
    [
      'All hosts',
      `${hosts.total}, together ${sizeText(bytes.total)}, of which they lack at most ${sizeText(bytes.lacking)}`,
    ],
    ['From origins', `at most ${sizeText(bytes.missing)}`],
    ['Waves', waves.join(', ')],
    ['At least', least],
    ...(hosts.withoutRoom === 0
      ? []
      : [['No room', `${hosts.withoutRoom}: ${namesText(hosts.roomless, hosts.withoutRoom)}`]]),
    ...absentRows(absent),
  ])
  const rows = regions.map((one) => [
    one.region,
    String(one.hosts),
    String(one.matching),
    String(one.withoutRoom),
    sizeText(one.missingBytes),
  ])
  return `${head}\n\n${plainTable(rows, ['REGION', 'HOSTS', 'MATCHING', 'NO ROOM', 'CACHES LACK'])}`
}

export function jobsText(jobs: readonly PrewarmView[]): string {
  if (jobs.length === 0) return 'there are no prewarm jobs'
  const rows = jobs.map(({ id, state, hosts, bytes, images, createdEpochMs, spec }) => [
    id,
    state,
    `${hosts.ready}/${hosts.total}`,
    percentText(bytes.have, bytes.total),
    new Date(createdEpochMs).toISOString(),
    String(spec.priority),
    images.map(({ reference }) => reference).join(' '),
  ])
  return plainTable(rows, ['ID', 'STATE', 'READY', 'DONE', 'STARTED', 'PRIORITY', 'IMAGES'])
}

/** One job, for eyes. */
export function jobText(job: PrewarmView): string {
  const { hosts, bytes, wave, reasons, regions, absent } = job
  const eta = job.etaSeconds === null ? '' : `, ${durationText(job.etaSeconds)} left`
  const head = plainTable([
    ['Job', job.id],
    ['State', job.reason === null ? job.state : `${job.state}: ${job.reason}`],
    ...job.images.map(({ reference, digest }) => ['Image', `${reference} ${digest}`]),
    ['Hosts', `${hosts.total}: ${countsText(hosts)}`],
    ['Wave', `${wave.number} of ${wave.of}, open for ${wave.open}`],
    ['Bytes', `${sizeText(bytes.have)} of ${sizeText(bytes.total)} (${percentText(bytes.have, bytes.total)})${eta}`],
    ['Moved', `${sizeText(bytes.moved)} to hosts, ${sizeText(bytes.origin)} from origins`],
    ['Time', `${job.seconds.toFixed(1)} s${job.bytesPerSec > 0 ? `, ${rateText(job.bytesPerSec)}` : ''}`],
    ['Settings', settingsText(job)],
    ...absentRows(absent),
    ...reasons.map(({ state, reason, count, hosts: some }) => [
      { failed: 'Failed', skipped: 'Skipped', waiting: 'Waiting' }[state],
      `${count}, ${reason}: ${namesText(some, count)}`,
    ]),
  ])
  if (regions.length < 2) return head
  const rows = regions.map(({ region, hosts: of, haveBytes, totalBytes, movedBytes }) => [
    region,
    countsText(of),
    percentText(haveBytes, totalBytes),
    partsText({ ...movedBytes }),
  ])
  return `${head}\n\n${plainTable(rows, ['REGION', 'HOSTS', 'DONE', 'FROM'])}`
}

/** The slowest first: those still at work by the time they need, then those that took longest. */
export function hostsText(hosts: readonly HostView[]): string {
  const rows = [...hosts]
    .sort((a, b) => slownessOf(b) - slownessOf(a))
    .map((host) => [
      host.name,
      host.region,
      host.state,
      percentText(host.haveBytes, host.totalBytes),
      host.bytesPerSec > 0 ? rateText(host.bytesPerSec) : '',
      timeText(host.startedEpochMs),
      endText(host),
      partsText({ ...host.movedBytes }),
      host.reason ?? '',
    ])
  return plainTable(rows, ['HOST', 'REGION', 'STATE', 'DONE', 'RATE', 'START', 'END', 'FROM', 'REASON'])
}

function isAtWork({ state }: HostView): boolean {
  return state === 'moving' || state === 'loading'
}

/** Undefined while it receives nothing. */
function secondsLeft({ bytesPerSec, haveBytes, totalBytes }: HostView): number | undefined {
  return bytesPerSec > 0 ? (totalBytes - haveBytes) / bytesPerSec : undefined
}

/** For sorting alone: at work and without a rate first, those that have not begun last. */
function slownessOf(host: HostView): number {
  const A_YEAR = 365 * 86_400
  if (isAtWork(host)) return A_YEAR + (secondsLeft(host) ?? A_YEAR)
  const { startedEpochMs, endedEpochMs } = host
  return startedEpochMs === null || endedEpochMs === null ? -1 : (endedEpochMs - startedEpochMs) / 1000
}

function timeText(epochMs: number | null): string {
  return epochMs === null ? '' : new Date(epochMs).toISOString().slice(11, 19)
}

function endText(host: HostView): string {
  if (!isAtWork(host)) return timeText(host.endedEpochMs)
  const left = secondsLeft(host)
  return left === undefined ? '' : `${durationText(left)} left`
}

/** Regions of a job whose hosts are not all in a list of them: their caches do not answer. */
export function unlistedText(job: PrewarmView, hosts: readonly HostView[]): string {
  return job.regions
    .map(
      ({ region, hosts: { total } }) =>
        [region, total - hosts.filter((host) => host.region === region).length] as const,
    )
    .flatMap(([region, left]) => (left > 0 ? `${region}: ${left} not listed, for no cache of it answers now\n` : []))
    .join('')
}

/** A line that says how far a job is. */
export function progressText({ state, hosts, bytes, bytesPerSec, etaSeconds, wave }: PrewarmView): string {
  const others = (['failed', 'skipped'] as const).filter((name) => hosts[name] > 0)
  const done = [`${hosts.ready}/${hosts.total} hosts ready`, ...others.map((name) => `${hosts[name]} ${name}`)].join(
    ', ',
  )
  const eta = etaSeconds === null ? '' : `, ${durationText(etaSeconds)} left`
  const moved = `${sizeText(bytes.have)} of ${sizeText(bytes.total)} (${percentText(bytes.have, bytes.total)})`
  const rate = state === 'paused' ? '' : `, ${rateText(bytesPerSec)}${eta}`
  return `${state}: ${done}, wave ${wave.number}/${wave.of}, ${moved}${rate}`
}

/** The same beside a bar, in a number of columns: what matters most comes first, and what does not fit is left out. */
export function barText({ state, hosts, bytes, bytesPerSec, etaSeconds, wave }: PrewarmView, columns: number): string {
  const others = (['failed', 'skipped'] as const).filter((name) => hosts[name] > 0)
  const parts = [
    `${state} ${hosts.ready}/${hosts.total} ready`,
    ...others.map((name) => `${hosts[name]} ${name}`),
    ...(etaSeconds === null || state === 'paused' ? [] : [`${durationText(etaSeconds)} left`]),
    ...(state === 'paused' ? [] : [rateText(bytesPerSec)]),
    `wave ${wave.number}/${wave.of}`,
    `${sizeText(bytes.have)} of ${sizeText(bytes.total)}`,
  ]
  let text = ''
  for (const part of parts) {
    const longer = text === '' ? part : `${text}, ${part}`
    if (longer.length > columns) break
    text = longer
  }
  return text
}

/** What a job keeps to, as its options are written; those that say nothing are left out. */
function settingsText({ spec }: PrewarmView): string {
  const rates = {
    rate: spec.rateBytesPerSec,
    'fleet-rate': spec.fleetRateBytesPerSec,
    'origin-rate': spec.originRateBytesPerSec,
  }
  const times = { deadline: spec.deadlineMs, pin: spec.pinMs, join: spec.joinMs }
  const set = ([, value]: readonly [string, number]): boolean => value > 0
  return [
    ...spec.regions.map((name) => `region ${name}`),
    ...Object.entries(spec.select).map(([label, value]) => `select ${label}=${value}`),
    ...(spec.hosts === null ? [] : [`hosts ${amountText(spec.hosts)}`]),
    `waves ${spec.waves.map(amountText).join(',')}`,
    ...(spec.maxHosts === 0 ? [] : [`max-hosts ${spec.maxHosts}`]),
    ...Object.entries(rates)
      .filter(set)
      .map(([name, value]) => `${name} ${rateText(value)}`),
    ...spec.platforms.map((name) => `platform ${name}`),
    ...Object.entries(times)
      .filter(set)
      .map(([name, value]) => `${name} ${durationText(value / 1000)}`),
    ...(spec.priority === 0 ? [] : [`priority ${spec.priority}`]),
    `quorum ${spec.quorumPercent}%`,
    `failure-budget ${amountText(spec.failureBudget)}`,
    ...(spec.load === null ? [] : [`load ${spec.load}`]),
  ].join(', ')
}

function absentRows(absent: readonly string[]): string[][] {
  return absent.length === 0 ? [] : [['Absent', absentText(absent)]]
}

/** Regions that a job leaves out because they are away, for eyes. */
export function absentText(absent: readonly string[]): string {
  return `${absent.join(', ')}: no cache of ${absent.length === 1 ? 'this region' : 'these regions'} answers, their hosts take no part`
}

function countsText({ ready, moving, loading, waiting, failed, skipped }: PrewarmView['hosts']): string {
  const parts = Object.entries({ ready, moving, loading, waiting, failed, skipped }).filter(([, count]) => count > 0)
  return parts.length === 0 ? 'none yet' : parts.map(([name, count]) => `${count} ${name}`).join(', ')
}

function namesText(names: readonly string[], count: number): string {
  return `${names.join(', ')}${count > names.length ? ', ...' : ''}`
}

function percentText(part: number, whole: number): string {
  return `${whole === 0 ? 100 : Math.floor((part / whole) * 100)}%`
}
