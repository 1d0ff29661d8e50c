import cliProgress from 'cli-progress'
import { sleep } from '../base/abort.ts'
import { systemClock } from '../base/clock.ts'
import { isShoalError, ShoalError } from '../base/errors.ts'
import type { PrewarmView } from '../prewarm/index.ts'
import { isFinal, prewarmViewSchema } from '../prewarm/index.ts'
import type { AdminClient } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { barText, progressText } from './prewarm-text.ts'

const API = '/api/v1/prewarm'
const POLL_MS = 500
/** A job outlives its caches and this host's agent: a watcher waits for them this long. */
const PATIENCE_MS = 60_000
const SUBMIT_TRIES = 4

/** Starts a job; asked again with the same id it stays one job. */
export async function submitPatiently(client: AdminClient, request: object, io: CommandIo): Promise<PrewarmView> {
  for (let tries = 1; ; tries++) {
    try {
      return await client.post(API, request, prewarmViewSchema, io.signal)
    } catch (error) {
      io.signal.throwIfAborted()
      if (!isShoalError(error, 'UNAVAILABLE') || tries >= SUBMIT_TRIES) throw error
      await sleep(systemClock, 1_000 * tries, io.signal)
    }
  }
}

/** Shows a job until it has ended, and returns how. */
export async function followJob(
  client: AdminClient,
  first: PrewarmView,
  io: CommandIo,
  json: boolean,
): Promise<PrewarmView> {
  using display = json ? lines(io) : io.stderr.isTTY === true ? bar(io, first) : texts(io)
  let heardAt = systemClock.now()
  let job = first
  for (;;) {
    display.show(job)
    if (isFinal(job.state)) return job
    await sleep(systemClock, POLL_MS, io.signal)
    try {
      job = await client.get(`${API}/${job.id}`, prewarmViewSchema, io.signal)
      heardAt = systemClock.now()
    } catch (error) {
      io.signal.throwIfAborted()
      const isLost = !isShoalError(error, 'UNAVAILABLE') || systemClock.now() - heardAt > PATIENCE_MS
      if (isLost) throw lost(job.id, error)
    }
  }
}

function lost(id: string, cause: unknown): ShoalError {
  const help = `the job may go on: see "shoal prewarm show ${id}"`
  return new ShoalError('UNAVAILABLE', `nothing is heard of job ${id} any more; ${help}`, { cause })
}

interface Display extends Disposable {
  show(job: PrewarmView): void
}

/** One object per line, whenever something changed. */
function lines(io: CommandIo): Display {
  let said = ''
  return {
    show(job) {
      const { seconds: _, ...told } = job
      const text = JSON.stringify(told)
      if (text === said && !isFinal(job.state)) return
      said = text
      io.stdout.write(`${JSON.stringify(job)}\n`)
    },
    [Symbol.dispose]() {},
  }
}

function texts(io: CommandIo): Display {
  let said = ''
  return {
    show(job) {
      const text = progressText(job)
      if (text !== said) io.stderr.write(`${text}\n`)
      said = text
    },
    [Symbol.dispose]() {},
  }
}

function bar(io: CommandIo, first: PrewarmView): Display {
  const format = '{bar} {percentage}% {text}'
  const columns = io.stderr.columns ?? 80
  const barsize = columns < 100 ? 10 : 30
  // the bar, and " 100% " after it
  const text = (job: PrewarmView): string => barText(job, columns - barsize - 6)
  const single = new cliProgress.SingleBar(
    { stream: io.stderr, format, barsize, hideCursor: true, emptyOnZero: true },
    cliProgress.Presets.shades_classic,
  )
  single.start(Math.max(1, first.bytes.total), first.bytes.have, { text: text(first) })
  return {
    show(job) {
      single.setTotal(Math.max(1, job.bytes.total))
      single.update(job.bytes.have, { text: text(job) })
    },
    [Symbol.dispose]: () => single.stop(),
  }
}
