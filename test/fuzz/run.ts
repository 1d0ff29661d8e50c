import { inspect } from 'node:util'
import fc from 'fast-check'
import { isShoalError } from '../../src/base/errors.ts'
import type { TargetName } from './names.ts'
import type { Pace } from './pace.ts'
import type { Target } from './target.ts'
import { TARGET_TABLE } from './targets/index.ts'

/** Inputs of one seed; the next ones are the next seed's. */
const BATCH = 5_000

export interface FuzzRun {
  readonly runs: number
  readonly seed: number
  /** A directory that may be written to. */
  readonly scratch: string
  /** Undefined: nothing is slow. */
  readonly pace?: Pace | undefined
  /** Called with each input before it is read. */
  readonly reads?: ((bytes: Uint8Array) => void) | undefined
  /** Called after each batch. */
  readonly between?: (() => void) | undefined
}

export interface FuzzResult {
  readonly inputs: number
  /** Of these, what the parser took. */
  readonly taken: number
  readonly bytes: number
  readonly fault: Fault | undefined
}

/** An input, shrunk, that was neither taken nor refused as it should. */
export interface Fault {
  readonly input: Uint8Array
  /** What was thrown. */
  readonly text: string
  /** The seed of its batch, and its place there: what it is found by again. */
  readonly seed: number
  readonly path: string
}

class Slow extends Error {
  override readonly name = 'Slow'
}

/** Reads inputs until there were enough, or one of them shows a fault. */
export async function fuzz(name: TargetName, run: FuzzRun): Promise<FuzzResult> {
  const count = { inputs: 0, taken: 0, bytes: 0 }
  for (let done = 0; done < run.runs; done += BATCH) {
    const seed = (run.seed + done / BATCH) | 0
    const fault = await check(name, run, count, { seed, numRuns: Math.min(BATCH, run.runs - done) })
    if (fault !== undefined) return { ...count, fault }
    run.between?.()
  }
  return { ...count, fault: undefined }
}

/** Reads the input of a fault again. */
export async function replay(name: TargetName, run: FuzzRun, path: string): Promise<FuzzResult> {
  const count = { inputs: 0, taken: 0, bytes: 0 }
  const fault = await check(name, run, count, { seed: run.seed, path, numRuns: 1, endOnFailure: true })
  return { ...count, fault }
}

interface Counts {
  inputs: number
  taken: number
  bytes: number
}

async function check(
  name: TargetName,
  run: FuzzRun,
  count: Counts,
  parameters: {
    readonly seed: number
    readonly path?: string
    readonly numRuns: number
    readonly endOnFailure?: boolean
  },
): Promise<Fault | undefined> {
  const target = TARGET_TABLE[name]
  const property = fc.asyncProperty(target.input, async (bytes) => {
    run.reads?.(bytes)
    count.inputs++
    count.bytes += bytes.length
    const { taken, ms } = await readOnce(target, bytes, run.scratch)
    if (taken) count.taken++
    const again = async (): Promise<number> => {
      run.reads?.(bytes)
      return (await readOnce(target, bytes, run.scratch)).ms
    }
    const pace = target.isTimed === false ? undefined : run.pace
    const slow = await pace?.slow({ bytes: bytes.length, taken, ms }, again)
    if (slow !== undefined) throw new Slow(slow)
  })
  const details = await fc.check(property, parameters)
  if (!details.failed || details.counterexample === null) return undefined
  const [input] = details.counterexample
  return { input, text: inspect(details.errorInstance), seed: details.seed, path: details.counterexamplePath }
}

/** What this thread has worked so far: others on the machine, however busy, are not in it. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** A refusal is as good as an answer; anything else that is thrown goes on. */
async function readOnce(target: Target, bytes: Uint8Array, scratch: string): Promise<{ taken: boolean; ms: number }> {
  // what a parser keeps or changes of its input is not the next reader's
  const own = bytes.slice()
  const began = cpuMs()
  try {
    const read = target.read(own, scratch)
    const taken = (read instanceof Promise ? await read : read) !== undefined
    return { taken, ms: cpuMs() - began }
  } catch (error) {
    if (!isShoalError(error, ...target.refusals) || target.refusals.length === 0) throw error
    return { taken: false, ms: cpuMs() - began }
  }
}
