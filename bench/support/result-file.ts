import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Machine } from './machine.ts'

/** An array of neither strings, arrays nor objects. */
const ROW = /\[\n\s+([^"[\]{}]+)\n\s+\]/g

/** What every result file says of itself; the README's tables are made by it. */
export interface ResultHead {
  readonly bench: 'fleet' | 'sim' | 'host' | 'prewarm'
  readonly machine: Machine
}

/** Writes a benchmark's result, made for reading in a diff as well. */
export async function writeResult(file: string, result: ResultHead & Readonly<Record<string, unknown>>): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, resultText(result))
}

/** Numbers in a row are one line: a timeline has hundreds of them for each link, which nobody reads one by one. */
export function resultText(result: Readonly<Record<string, unknown>>): string {
  const lines = JSON.stringify(result, null, 2)
  // a line's end never stands in a string of JSON, so that what is matched is an array's own layout
  const compact = lines.replaceAll(ROW, (_, row: string) => `[${row.replaceAll(/\s+/g, ' ')}]`)
  return `${compact}\n`
}
