import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import type { Watched } from './watchdog.ts'

/** No input of 64 KiB takes this much work, */
const HUNG_CPU_MS = 60_000
/** nor this long, however busy the machine is. */
const HUNG_MS = 900_000
const LOOK_MS = 5_000

const { name, memory, headBytes } = workerData as Watched
const head = new Int32Array(memory, 0, 2)
let seen = Atomics.load(head, 0)

let [sinceMs, sinceCpuMs] = [performance.now(), cpuMs()]

/** What the process has worked. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

setInterval(() => {
  const now = Atomics.load(head, 0)
  const isSame = now === seen && now !== 0
  if (!isSame) {
    seen = now
    sinceMs = performance.now()
    sinceCpuMs = cpuMs()
    return
  }
  if (cpuMs() - sinceCpuMs < HUNG_CPU_MS && performance.now() - sinceMs < HUNG_MS) return
  const input = Buffer.from(memory, headBytes, head[1])
  writeSync(2, `${name}: one input is never done with (base64): ${input.toString('base64')}\n`)
  process.kill(process.pid, 'SIGKILL')
}, LOOK_MS)
