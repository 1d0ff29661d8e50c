import { readFile, writeFile } from 'node:fs/promises'
import { replaceBlock } from '../../bench/readme/block.ts'
import type { Point } from './slope.ts'
import type { HostHistory, SoakResult } from './soak.ts'

/** What a page shows of a soak, beside its picture `soak.svg`. */
export function soakText({ minutes, rounds, hosts, overload, breaches }: SoakResult): string {
  const answers = Object.entries(overload.statuses).map(([status, count]) => `${count} with ${status}`)
  return [
    '<!-- written by npm run soak -- --page ... -->',
    '',
    '![Memory, open files and open sockets of two caches and six agents at rest after each round](soak.svg)',
    '',
    `${rounds} rounds in ${Math.round(minutes)} minutes; broken: ${breaches.length === 0 ? 'nothing' : breaches.join('; ')}.`,
    '',
    '| host | MiB resident, first and last | MiB a minute | files, first and last | sockets, first and last |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...hosts.map(row),
    '',
    `Overload: ${answers.join(', ')}; a pull took ${overload.pace.toFixed(1)} times as long as before; /metrics answered within ` +
      `${overload.metricsP99Ms} ms (p99), and ${overload.metricsFailed} times not at all.`,
  ].join('\n')
}

function row({ name, points: { memory, files, sockets }, slopes }: HostHistory): string {
  const { perMinute, error } = slopes.memory
  const slope = `${perMinute.toFixed(2)} ± ${error.toFixed(2)}`
  return `| ${name} | ${ends(memory)} | ${slope} | ${ends(files)} | ${ends(sockets)} |`
}

function ends(points: readonly Point[]): string {
  return [points.at(0), points.at(-1)].map((point) => Math.round(point?.value ?? 0)).join(', ')
}

export async function writePage(file: string, result: SoakResult): Promise<void> {
  await writeFile(file, replaceBlock(await readFile(file, 'utf8'), soakText(result), 'soak'))
}
