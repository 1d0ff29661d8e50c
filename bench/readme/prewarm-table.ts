import { PREWARM_MESSAGES_GOAL, PREWARM_RSS_GOAL_MIB } from './goals.ts'
import { FROM_DOCS, provenance, source, table } from './markdown.ts'
import type { Named, PrewarmFile, RatesRow } from './results.ts'

/** What a job costs the cache that runs it: messages, memory, CPU. Times are left out: all hosts shared one machine. */
export function prewarmSection(file: Named<PrewarmFile>): string {
  const { hosts, blobs, states, job, machine, options } = file
  const { heldPercent, maxHosts } = options
  const atOnce = maxHosts === 0 ? 'all at once' : `${count(maxHosts)} at a time`
  const reached = `${count(job.hosts.ready)} of ${count(hosts)} hosts ready`
  return [
    `One cache, ${count(hosts)} hosts, ${count(blobs)} blobs: ${count(states)} (host, blob) states; ${atOnce}, ${heldPercent} % of the blobs there before; ${reached}. ${source(file.file, FROM_DOCS)}: ${provenance(machine)}.`,
    messagesTable(file),
    memoryTable(file),
  ].join('\n\n')
}

function messagesTable({ perHostSecond, messagesPerHost }: PrewarmFile): string {
  const head = ['at the cache', 'messages heard', 'said', 'bytes heard', 'said', 'goal']
  const goal = `≤ ${PREWARM_MESSAGES_GOAL} messages, both ways`
  return table(head, [
    ['idle, per host and second', ...cells(perHostSecond.idle), ''],
    ['job (messages, pings), per host and second', ...cells(perHostSecond.job), goal],
    ['the same in its busiest second', ...cells(perHostSecond.most), ''],
    ['blobs and manifests (questions, answers), per host and second', ...cells(perHostSecond.content), ''],
    ['messages per host in all', ...cells(messagesPerHost), ''],
  ])
}

function memoryTable(file: PrewarmFile): string {
  const { rssMiB, kibPerLink, bytesPerState, cpuMsPerLink, cpuSeconds, hosts } = file
  const head = [
    'RSS alone, MiB',
    'all linked',
    `most (goal ≤ ${PREWARM_RSS_GOAL_MIB})`,
    'after the job',
    'hosts gone',
    'KiB per link',
    'bytes added by the job, per state',
    'CPU ms per link',
    'CPU ms per host, job',
  ]
  const memory = [rssMiB.alone, rssMiB.linked, rssMiB.most, rssMiB.after, rssMiB.left, kibPerLink]
  const cpu = [cpuMsPerLink, (cpuSeconds.job * 1000) / hosts]
  return table(head, [
    [...memory.map((value) => value.toFixed(0)), bytesPerState.toFixed(0), ...cpu.map((value) => value.toFixed(1))],
  ])
}

function cells({ received, sent }: RatesRow): string[] {
  return [
    ...[received.frames, sent.frames].map((value) => value.toFixed(2)),
    ...[received.bytes, sent.bytes].map((value) => count(Math.round(value))),
  ]
}

/** `2 000 000`. */
function count(value: number): string {
  return value.toLocaleString('en').replaceAll(',', ' ')
}
