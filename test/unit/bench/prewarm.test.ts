import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { imageSizes, pushSmallImages } from '../../../bench/prewarm/content.ts'
import { DigestNumbers, LightStore } from '../../../bench/prewarm/light-store.ts'
import type { PrewarmBenchOptions } from '../../../bench/prewarm/options.ts'
import { prewarmCommand } from '../../../bench/prewarm/options.ts'
import { resultObject, resultText } from '../../../bench/prewarm/report.ts'
import type { FrameKind, Observations, Sample, Traffic } from '../../../bench/prewarm/result.ts'
import { FRAME_KINDS, framesOf, prewarmResult } from '../../../bench/prewarm/result.ts'
import { requireDigest } from '../../../src/oci/digest.ts'
import { MACHINE } from './machine.ts'
import { parsedOptions } from './parsed.ts'

const MIB = 1024 * 1024
const HOSTS = 10
const BLOBS = 4

const OPTIONS: PrewarmBenchOptions = {
  ...{
    hosts: HOSTS,
    blobs: BLOBS,
    blobBytes: 256,
    heldPercent: 0,
    waves: ['100%'],
    maxHosts: 0,
    processes: 2,
    timeoutSeconds: 60,
  },
  json: 'r.json',
}

/** Each frame has ten bytes. */
function traffic(received: Partial<Record<FrameKind, number>>, sent: Partial<Record<FrameKind, number>>): Traffic {
  const amounts = (frames: Partial<Record<FrameKind, number>>): Traffic['received'] => {
    const of = (kind: FrameKind) => [kind, { frames: frames[kind] ?? 0, bytes: (frames[kind] ?? 0) * 10 }] as const
    return Object.fromEntries(FRAME_KINDS.map(of)) as Traffic['received'] // one for every kind
  }
  return { received: amounts(received), sent: amounts(sent) }
}

function sample(atSeconds: number, rssMiB: number, changes: Partial<Sample> = {}): Sample {
  return {
    ...{ atSeconds, rssBytes: rssMiB * MIB, cpuSeconds: atSeconds / 2, eventLoopP99Ms: 10, scrapeMs: 5 },
    traffic: traffic({}, {}),
    ...changes,
  }
}

function seen(): Observations {
  return {
    ...{ hosts: HOSTS, blobs: BLOBS, states: HOSTS * BLOBS },
    job: { state: 'done', reason: null, hosts: { ready: HOSTS, failed: 0, skipped: 0 } },
    alone: sample(0, 100),
    linked: sample(10, 130, { traffic: traffic({ upkeep: 20 }, { upkeep: 20 }) }),
    rested: sample(20, 120, { traffic: traffic({ upkeep: 40 }, { upkeep: 30 }) }),
    during: [
      sample(20, 120, { traffic: traffic({ upkeep: 40 }, { upkeep: 30 }) }),
      sample(22, 160, {
        traffic: traffic({ upkeep: 40, prewarm: 40, call: 40 }, { upkeep: 30, prewarm: 10, answer: 40 }),
        eventLoopP99Ms: 30,
        scrapeMs: 50,
      }),
      sample(30, 140, {
        traffic: traffic({ upkeep: 60, prewarm: 60, call: 40 }, { upkeep: 40, prewarm: 10, answer: 40 }),
      }),
    ],
    after: sample(40, 150),
    left: sample(60, 110),
  }
}

function parsed(...args: string[]): Promise<PrewarmBenchOptions> {
  return parsedOptions(prewarmCommand, args)
}

describe("a prewarm job's cost at its cache", () => {
  it('counts messages by host and second, those of the job apart from those of its blobs', () => {
    const { perHostSecond, messagesPerHost } = prewarmResult(seen())
    assert.deepEqual(perHostSecond.idle.received, { frames: 0.2, bytes: 2 })
    assert.deepEqual(perHostSecond.job.received, { frames: 0.8, bytes: 8 })
    assert.deepEqual(perHostSecond.job.sent, { frames: 0.2, bytes: 2 })
    assert.deepEqual([perHostSecond.content.received.frames, perHostSecond.content.sent.frames], [0.4, 0.4])
    assert.deepEqual([perHostSecond.most.received.frames, perHostSecond.most.sent.frames], [2, 0.5])
    assert.deepEqual([messagesPerHost.received.frames, messagesPerHost.sent.frames], [6, 1])
    assert.equal(framesOf(perHostSecond.job), 1)
  })

  it('tells the memory of links from that of states', () => {
    const { rssMiB, kibPerLink, bytesPerState } = prewarmResult(seen())
    assert.deepEqual(rssMiB, { alone: 100, linked: 120, most: 160, after: 150, left: 110 })
    assert.equal(kibPerLink, 2048)
    assert.equal(bytesPerState, MIB)
  })

  it('says what it took of the CPU, and how long the cache kept others waiting', () => {
    const { cpuSeconds, cpuMsPerLink, seconds, eventLoopP99Ms, scrapeP99Ms } = prewarmResult(seen())
    assert.deepEqual(cpuSeconds, { link: 5, job: 5 })
    assert.deepEqual([cpuMsPerLink, seconds.link, seconds.job], [500, 10, 10])
    assert.deepEqual([eventLoopP99Ms, scrapeP99Ms], [{ median: 10, most: 30 }, 50])
  })

  it('goes into a file of its own kind, and into a table', () => {
    const result = prewarmResult(seen())
    const file = resultObject(MACHINE, OPTIONS, result)
    assert.deepEqual([file.bench, file.states, file.kibPerLink], ['prewarm', 40, 2048])
    assert.equal(JSON.stringify(file).includes('r.json'), false)
    const text = resultText(MACHINE, OPTIONS, result)
    assert.match(text, /10 hosts x 4 blobs: job done, 10 ready, 0 failed, 0 skipped; 40 states/)
    assert.match(text, /job \(messages, pings\) .* 0\.80 .* 8\.00 .* 0\.20 .* 2\.00$/m)
  })
})

describe('the content of bench:prewarm', () => {
  it('is so many blobs in all, in images of a hundred at most', () => {
    assert.deepEqual(imageSizes(2), [2])
    assert.deepEqual(imageSizes(101), [50, 51])
    for (const blobs of [99, 100, 250, 1000]) {
      const sizes = imageSizes(blobs)
      assert.equal(
        sizes.reduce((sum, count) => sum + count, 0),
        blobs,
      )
      assert.ok(Math.max(...sizes) <= 100 && Math.min(...sizes) >= 2)
    }
  })

  it('is in the layout of a registry, every blob another', async () => {
    const root = await mkdtemp(join(tmpdir(), 'shoal-test-'))
    try {
      const { names, blobs } = await pushSmallImages(root, 102, 64)
      assert.deepEqual(names, ['bench/image-0:1', 'bench/image-1:1'])
      assert.equal(new Set(blobs.map(({ digest }) => digest)).size, 102)
      // and the two manifests
      assert.equal((await readdir(join(root, 'files'))).length, 104)
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  })
})

describe('a light store', () => {
  it('knows what it was given, and nothing of what its neighbour was', async () => {
    const digests = new DigestNumbers()
    const [one, other] = [new LightStore(digests), new LightStore(digests)]
    const digest = (i: number) => requireDigest(`sha256:${i.toString(16).padStart(64, '0')}`)
    for (let i = 0; i < 100; i++) await one.putSmall(digest(i), new Uint8Array(i + 1))
    other.hold(digest(7), 8)
    await other.putSmall(digest(7), new Uint8Array(8))
    assert.deepEqual([one.count, other.count, digests.size], [100, 1, 100])
    assert.deepEqual([one.size(digest(99)), other.size(digest(99)), other.size(digest(7))], [100, undefined, 8])
    assert.deepEqual([one.usage().completeBytes, other.usage().completeBytes], [5050, 8])
    assert.deepEqual(
      other.list().map(({ digest: of, size }) => [of, size]),
      [[digest(7), 8]],
    )
  })
})

describe('the command line of bench:prewarm', () => {
  it('makes two million states when nothing is said', async () => {
    const { hosts, blobs, waves, maxHosts, json } = await parsed()
    assert.equal(hosts * blobs, 2_000_000)
    assert.deepEqual([waves, maxHosts, json], [['10%', '100%'], 0, undefined])
  })

  it('takes what is said', async () => {
    const said = await parsed('--hosts', '10000', '--blobs', '200', '--waves', '1,10%,100%', '--held', '90')
    assert.deepEqual([said.hosts, said.blobs, said.waves, said.heldPercent], [10_000, 200, ['1', '10%', '100%'], 90])
  })

  it('refuses what it does not know', async () => {
    for (const args of [
      ['--hosts', '0'],
      ['--blobs', '1'],
      ['--blobs', '100000'],
      ['--waves', '10%,all'],
      ['--processes', '65'],
      ['--held', '101'],
      ['--speed', '1'],
    ]) {
      await assert.rejects(parsed(...args), { code: /^commander\./ }, args.join(' '))
    }
  })
})
