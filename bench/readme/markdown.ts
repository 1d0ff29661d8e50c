import type { MachineRow } from './results.ts'

/** A table; cells must not hold line breaks. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

/** Where and when: `abc123, 2026-11-20, 2 cores (...), 24 GiB, Linux 6.1, Node v26`. */
export function provenance({ commit, date, cores, cpu, memoryGiB, kernel, node }: MachineRow): string {
  return `commit ${commit}, ${date.slice(0, 10)}, ${cores} cores (${cpu}), ${memoryGiB} GiB, Linux ${kernel}, Node ${node}`
}

/** From docs/benchmarks.md to the project's root. */
export const FROM_DOCS = '../'

/** A link to a result file, from a page whose way to the project's root is `root` (`''` or `'../'`). */
export function source(file: string, root: string): string {
  return `[\`${file}\`](${root}bench/results/${file})`
}

/** `1.12`, and the least and most where there are several. */
export function withRange(value: number, all: readonly number[], digits: number): string {
  if (all.length < 2) return value.toFixed(digits)
  const [least, most] = [Math.min(...all), Math.max(...all)]
  return `${value.toFixed(digits)} (${least.toFixed(digits)}-${most.toFixed(digits)})`
}

export function atMost(goal: number | undefined): string {
  return goal === undefined ? '-' : `≤ ${goal.toFixed(2)}`
}
