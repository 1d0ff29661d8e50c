import cliProgress from 'cli-progress'
import type { BurstEvents, BurstOutcome, HostOutcome } from '../demo/index.ts'
import type { CommandIo } from './command-io.ts'
import { plainTable } from './plain-table.ts'
import { sizeText } from './quantity-text.ts'

const HEAD = ['NODE', 'SECONDS', 'MiB/s', 'FROM PEERS', 'FROM HOME', 'FROM PARENT', 'FROM ORIGIN']

/** Progress of the demo on standard error: bars that move on a terminal, plain lines elsewhere. */
interface DemoDisplay extends Disposable, BurstEvents {
  stage(text: string): void
  /** Shows one bar per host, each of `sizeBytes`. */
  begin(hosts: readonly string[], sizeBytes: number): void
}

export function demoDisplay(stderr: CommandIo['stderr']): DemoDisplay {
  const stage = (text: string): void => {
    stderr.write(`${text}\n`)
  }
  if (stderr.isTTY !== true) {
    const finished = (host: string, seconds: number): void => stage(`  ${host}: complete after ${seconds.toFixed(2)} s`)
    return { stage, begin() {}, moved() {}, finished, [Symbol.dispose]() {} }
  }
  const multibar = new cliProgress.MultiBar(
    { stream: stderr, format: '  {host} {bar} {percentage}% {moved}/{size}', barsize: 30, hideCursor: true, fps: 10 },
    cliProgress.Presets.shades_classic,
  )
  const bars = new Map<string, cliProgress.SingleBar>()
  return {
    stage,
    begin(hosts, sizeBytes) {
      for (const host of hosts) {
        bars.set(host, multibar.create(sizeBytes, 0, { host, moved: sizeText(0), size: sizeText(sizeBytes) }))
      }
    },
    moved: (host, bytes) => bars.get(host)?.update(bytes, { moved: sizeText(bytes) }),
    finished(host) {
      const bar = bars.get(host)
      bar?.update(bar.getTotal(), { moved: sizeText(bar.getTotal()) })
    },
    [Symbol.dispose]: () => multibar.stop(),
  }
}

/** The closing tables: one row per node, then what the whole burst took and cost. */
export function demoTable(outcome: BurstOutcome, rows: readonly HostOutcome[]): string {
  const hosts = rows.map(({ name, seconds, mibPerSecond, received }) => {
    const time = seconds === 0 ? ['-', '-'] : [seconds.toFixed(2), mibPerSecond.toFixed(1)]
    return [name, ...time, ...bySource(received).map(sizeText)]
  })
  const { seconds, originBytes, originRatio, bytes } = outcome
  const total = [
    ['image', `${sizeText(bytes)} to each of ${outcome.hosts} hosts`],
    ['seconds', `half of the hosts ${seconds.p50.toFixed(2)}, the last ${seconds.last.toFixed(2)}`],
    ['delivered', `${outcome.mibPerSecond.toFixed(1)} MiB/s to all hosts together`],
    [
      'origin',
      `${sizeText(originBytes)} = ${originRatio.toFixed(3)} x the image, in ${outcome.originRequests} requests`,
    ],
    ['verified', outcome.verified ? 'every digest on every host' : 'NO: a host is missing content'],
  ]
  return `${plainTable(hosts, HEAD)}\n\n${plainTable(total)}\n`
}

function bySource({ peer, home, parent, origin }: HostOutcome['received']): number[] {
  return [peer, home, parent, origin]
}
