import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import type { Watched } from './watchdog.ts'

/** No input of 64 KiB takes that long, however busy the machine is. */
const HUNG_MS = 60_000

const { name, memory, headBytes } = workerData as Watched
const head = new Int32Array(memory, 0, 2)
let seen = Atomics.load(head, 0)

setInterval(() => {
  const now = Atomics.load(head, 0)
  if (now !== seen) {
    seen = now
    return
  }
  if (seen === 0) return
  const input = Buffer.from(memory, headBytes, head[1])
  writeSync(2, `${name}: one input takes more than ${HUNG_MS} ms (base64): ${input.toString('base64')}\n`)
  process.kill(process.pid, 'SIGKILL')
}, HUNG_MS)
