import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Machine } from './machine.ts'

/** What every result file says of itself; the README's tables are made by it. */
export interface ResultHead {
  readonly bench: 'fleet' | 'sim' | 'host' | 'prewarm'
  readonly machine: Machine
}

/** Writes a benchmark's result, made for reading in a diff as well. */
export async function writeResult(file: string, result: ResultHead & Readonly<Record<string, unknown>>): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${JSON.stringify(result, null, 2)}\n`)
}
