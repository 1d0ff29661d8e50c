/** Rows in aligned columns without frames, easy to read and to cut with other tools, under a heading if there is one. */
export function plainTable(rows: readonly (readonly string[])[], head: readonly string[] = []): string {
  const lines = head.length > 0 ? [head, ...rows] : rows
  const widths: number[] = []
  for (const line of lines) for (const [i, cell] of line.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  const padded = (line: readonly string[]): string => line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')
  return lines.map((line) => padded(line).trimEnd()).join('\n')
}
