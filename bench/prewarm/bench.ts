import { sleep } from '../../src/base/abort.ts'
import { systemClock } from '../../src/base/clock.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { AgentProcess } from '../../src/demo/index.ts'
import { endedJob, hostStates, submitJob } from './job-api-client.ts'
import { linkedHosts, observe } from './observe.ts'
import type { PrewarmBenchOptions } from './options.ts'
import type { PrewarmResult, Sample } from './result.ts'
import { prewarmResult } from './result.ts'
import { PrewarmStage } from './stage.ts'

const SAMPLE_EVERY_MS = 1_000
/** Several of a link's pings, and time for what linking left in the heap to be collected. */
const REST_MS = 15_000
const LEAVE_TIMEOUT_MS = 60_000

export interface BenchOutput {
  say(what: string): void
}

/** Links the hosts, runs the job, lets the hosts go; looks at the cache all the while. */
export async function runBench(
  options: PrewarmBenchOptions,
  signal: AbortSignal,
  output: BenchOutput,
): Promise<PrewarmResult> {
  // the daemon's timers do not keep a process alive
  const alive = setInterval(() => {}, 60_000)
  using _alive = { [Symbol.dispose]: () => clearInterval(alive) }
  const { hosts, blobs } = options
  output.say('content and the cache')
  await using stage = await PrewarmStage.open(options, signal)
  const { cache } = stage
  const alone = await observe(cache)
  output.say(`linking ${hosts} hosts`)
  const opened = await stage.openHosts()
  const linked = await observe(cache)
  if (opened.linked < hosts) throw cache.process.failure(`linked ${opened.linked} of ${hosts} hosts`)
  await sleep(systemClock, REST_MS, signal)
  const rested = await observe(cache)
  output.say(`a job of ${blobs} blobs`)
  const { during, job } = await runJob(stage, options, signal, output)
  const states = await hostStates(cache, job.id)
  await sleep(systemClock, REST_MS, signal)
  const after = await observe(cache)
  const there = await stage.look()
  const said = states + hosts * stage.images.length
  if (job.state === 'done' && there.blobs !== said) {
    throw cache.process.failure(`says that hosts have ${said} blobs and manifests; they have ${there.blobs}`)
  }
  output.say('the hosts leave')
  await stage.closeHosts()
  await allLeft(cache, signal)
  await sleep(systemClock, REST_MS, signal)
  const left = await observe(cache)
  return prewarmResult({ hosts, blobs, job, states, alone, linked, rested, during, after, left })
}

async function runJob(
  stage: PrewarmStage,
  { waves, maxHosts, timeoutSeconds, hosts }: PrewarmBenchOptions,
  signal: AbortSignal,
  output: BenchOutput,
): Promise<{ during: Sample[]; job: NonNullable<Awaited<ReturnType<typeof endedJob>>> }> {
  const { cache, images } = stage
  const during = [await observe(cache)]
  const deadlineMs = performance.now() + timeoutSeconds * 1000
  const id = await submitJob(cache, { images, waves, maxHosts })
  for (let count = 1; performance.now() < deadlineMs; count++) {
    await sleep(systemClock, SAMPLE_EVERY_MS, signal)
    during.push(await observe(cache))
    const job = await endedJob(cache, id, (ready) => {
      if (count % 15 === 0) output.say(`${ready} of ${hosts} hosts are ready`)
    })
    if (job !== undefined) return { during, job }
  }
  throw cache.process.failure(`did not end the job within ${timeoutSeconds} s`)
}

async function allLeft(cache: AgentProcess, signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + LEAVE_TIMEOUT_MS
  while ((await linkedHosts(cache)) > 0) {
    if (performance.now() > deadlineMs)
      throw new ShoalError('UNAVAILABLE', 'the cache still has links to hosts that are gone')
    await sleep(systemClock, SAMPLE_EVERY_MS, signal)
  }
}
