import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../../src/oci/digest.ts'
import type { Manifest } from '../../../src/oci/manifest.ts'
import { MEDIA_TYPE } from '../../../src/oci/manifest.ts'
import type { OpenPull, PartEnding, PullAsker, PullPart, PullReport } from '../../../src/registry/pulls.ts'
import { PULL_QUIET_MS, Pulls } from '../../../src/registry/pulls.ts'

const DOCKER: PullAsker = { client: '127.0.0.1', runtime: 'docker/29', upstream: 'registry.corp', repository: 'app' }
const NOTHING = { local: 0, peer: 0, home: 0, parent: 0, origin: 0 }

const digest = (name: string) => digestOf(Buffer.from(name))

function image(...blobs: readonly [name: string, size: number][]): Manifest {
  const [config, ...layers] = blobs.map(([name, size]) => ({
    digest: digest(name),
    size,
    mediaType: MEDIA_TYPE.octetStream,
  }))
  assert.ok(config !== undefined)
  return { kind: 'image', mediaType: MEDIA_TYPE.ociManifest, config, layers }
}

const TWO_BLOBS = image(['config', 10], ['layer', 100])

function tagged(tag: string, manifest?: Manifest): PullPart {
  return { kind: 'manifest', target: { kind: 'tag', tag }, digest: digest(`manifest of ${tag}`), manifest }
}

function blob(name: string): PullPart {
  return { kind: 'blob', digest: digest(name) }
}

/** Pulls with a clock of their own. */
class Day {
  readonly pulls = new Pulls()
  readonly reports: PullReport[] = []
  now = 0

  begin(part: PullPart, asker = DOCKER, opens = true): OpenPull | undefined {
    const { pull, pushedOut } = this.pulls.begin(asker, part, { startedAt: this.now, opens })
    this.#note(pushedOut)
    return pull
  }

  end(pull: OpenPull | undefined, part: PullPart, ending: PartEnding, bytes: Partial<typeof NOTHING> = {}): void {
    if (pull === undefined) return
    this.#note(this.pulls.ended(pull, part, { ending, bytes: { ...NOTHING, ...bytes }, now: this.now }))
  }

  /** A request that is answered in no time. */
  ask(part: PullPart, ending: PartEnding = 'whole', bytes: Partial<typeof NOTHING> = {}, asker = DOCKER): void {
    this.end(this.begin(part, asker, part.kind === 'manifest' || ending !== 'refused'), part, ending, bytes)
  }

  pass(ms: number): void {
    this.now += ms
    for (const report of this.pulls.expire(this.now)) this.#note(report)
  }

  #note(report: PullReport | undefined): void {
    if (report !== undefined) this.reports.push(report)
  }
}

describe('pulls told from requests', () => {
  it('a pull ends with the last byte of the last blob that its manifest names', () => {
    const day = new Day()
    day.ask(tagged('v1'))
    day.ask({ ...tagged('v1', TWO_BLOBS), target: { kind: 'digest', digest: digest('manifest of v1') } } as PullPart)
    day.now = 500
    day.ask(blob('config'), 'whole', { home: 10 })
    const layer = day.begin(blob('layer'))
    day.now = 2_000
    assert.equal(day.reports.length, 0)
    day.end(layer, blob('layer'), 'whole', { home: 60, peer: 40 })
    assert.deepEqual(day.reports, [
      {
        ...DOCKER,
        tag: 'v1',
        digest: digest('manifest of v1'),
        result: 'done',
        seconds: 2,
        bytes: { ...NOTHING, home: 70, peer: 40 },
        trace: undefined,
      },
    ])
    assert.equal(day.pulls.size, 0)
  })

  it('of what its runtime has already nothing is asked: it ends when it has been quiet', () => {
    const day = new Day()
    day.ask(tagged('v1', TWO_BLOBS))
    day.now = 700
    day.ask(blob('layer'), 'whole', { origin: 100 })
    day.pass(PULL_QUIET_MS - 1)
    assert.equal(day.reports.length, 0)
    day.pass(1)
    assert.deepEqual(
      day.reports.map(({ result, seconds }) => [result, seconds]),
      [['done', 0.7]],
    )
  })

  it('a look at a tag is no pull of blobs', () => {
    const day = new Day()
    day.ask(tagged('v1', TWO_BLOBS))
    day.pass(PULL_QUIET_MS)
    assert.deepEqual(
      day.reports.map(({ result }) => result),
      ['checked'],
    )
  })

  it('a body that takes for ever is not quiet', () => {
    const day = new Day()
    day.ask(tagged('v1', TWO_BLOBS))
    const layer = day.begin(blob('layer'))
    day.pass(10 * PULL_QUIET_MS)
    assert.equal(day.reports.length, 0)
    day.end(layer, blob('layer'), 'left', { peer: 3 })
    day.pass(PULL_QUIET_MS)
    assert.deepEqual(
      day.reports.map(({ result, bytes }) => [result, bytes.peer]),
      [['left', 3]],
    )
  })

  for (const [ending, result] of [
    ['refused', 'refused'],
    ['cut', 'failed'],
    ['left', 'left'],
  ] as const) {
    it(`a blob that was ${ending} and not asked for again makes it ${result}`, () => {
      const day = new Day()
      day.ask(tagged('v1', TWO_BLOBS))
      day.ask(blob('config'), 'whole', { home: 10 })
      day.ask(blob('layer'), ending, ending === 'refused' ? {} : { home: 5 })
      day.pass(PULL_QUIET_MS)
      assert.deepEqual(
        day.reports.map((report) => report.result),
        [result],
      )
    })
  }

  it('a body that was cut and goes on by a range is whole in the end', () => {
    const day = new Day()
    day.ask(tagged('v1', TWO_BLOBS))
    day.ask(blob('config'), 'whole', { home: 10 })
    day.ask(blob('layer'), 'cut', { home: 40 })
    day.ask(blob('layer'), 'whole', { peer: 60 })
    assert.deepEqual(
      day.reports.map(({ result, bytes }) => [result, bytes.home, bytes.peer]),
      [['done', 50, 60]],
    )
  })

  it('two tags of one repository at once are two pulls, each with its own blobs', () => {
    const day = new Day()
    const other = image(['other config', 5], ['other layer', 7])
    day.ask(tagged('v1', TWO_BLOBS))
    day.ask(tagged('v2', other))
    for (const [name, size] of [
      ['layer', 100],
      ['other layer', 7],
      ['config', 10],
      ['other config', 5],
    ] as const) {
      day.ask(blob(name), 'whole', { home: size })
    }
    assert.deepEqual(
      day.reports.map(({ tag, bytes }) => [tag, bytes.home]),
      [
        ['v1', 110],
        ['v2', 12],
      ],
    )
  })

  it('the image of an index belongs to the pull that was told of it', () => {
    const day = new Day()
    const child = { digest: digest('child'), size: 300, mediaType: MEDIA_TYPE.ociManifest }
    day.ask(tagged('v1', { kind: 'index', mediaType: MEDIA_TYPE.ociIndex, manifests: [child] }))
    const target = { kind: 'digest', digest: child.digest } as const
    day.ask({ kind: 'manifest', target, digest: child.digest, manifest: TWO_BLOBS })
    day.ask(blob('config'), 'whole', { home: 10 })
    day.ask(blob('layer'), 'whole', { home: 100 })
    assert.deepEqual(
      day.reports.map(({ tag, digest: top, result }) => [tag, top, result]),
      [['v1', digest('manifest of v1'), 'done']],
    )
  })

  it('two runtimes, or two clients, are not one pull', () => {
    const day = new Day()
    day.ask(tagged('v1', TWO_BLOBS))
    day.ask(tagged('v1', TWO_BLOBS), 'whole', {}, { ...DOCKER, runtime: 'containerd/2' })
    day.ask(tagged('v1', TWO_BLOBS), 'whole', {}, { ...DOCKER, client: '10.0.0.9' })
    assert.equal(day.pulls.size, 3)
  })

  it('a look at a blob without a pull begins none, and a refused blob neither', () => {
    const day = new Day()
    assert.equal(day.begin(blob('layer'), DOCKER, false), undefined)
    day.ask(blob('layer'), 'refused')
    assert.equal(day.pulls.size, 0)
  })

  it('made-up names without end push out the pull that was quiet for longest, and no more are kept', () => {
    const day = new Day()
    day.ask(tagged('v1', TWO_BLOBS))
    for (let i = 0; i < 1_000; i++) {
      day.now++
      day.ask(tagged(`made-up-${i}`), 'refused')
    }
    assert.equal(day.pulls.size, 256)
    assert.equal(day.reports.length, 745)
    assert.equal(day.reports[0]?.tag, 'v1')
  })

  it('a manifest with thousands of layers is followed in part', () => {
    const day = new Day()
    const layers = Array.from({ length: 4_000 }, (_, i) => [`layer ${i}`, 1] as [string, number])
    day.ask(tagged('v1', image(...layers)))
    const pull = day.begin(blob('layer 1'))
    assert.equal(pull?.expected.size, 512)
  })
})
