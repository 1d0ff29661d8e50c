import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, it } from 'node:test'
import type { Clock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { PrometheusRegistry } from '../../../src/node/index.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { referenceText } from '../../../src/oci/reference.ts'
import type { WebhookHead, WebhookRule } from '../../../src/webhook/interface.ts'
import type { HintedImage } from '../../../src/webhook/webhooks.ts'
import { Webhooks } from '../../../src/webhook/webhooks.ts'

const SECRET = 'the-secret-of-the-rule'
const OTHER = 'the-secret-of-another-rule'
const MINUTE_MS = 60_000

/** Time that passes when it is waited for. */
class SkippingClock implements Clock {
  ms = 0

  now(): number {
    return this.ms
  }

  wall(): number {
    return this.ms
  }

  after(ms: number, fn: () => void): Disposable {
    let live = true
    queueMicrotask(() => {
      if (!live) return
      this.ms += ms
      fn()
    })
    return {
      [Symbol.dispose]: () => {
        live = false
      },
    }
  }
}

function rule(change: Partial<WebhookRule> = {}): WebhookRule {
  const base = {
    source: 'distribution',
    repository: 'team/**',
    tag: 'v*',
    secret: SECRET,
    options: { name: 'first' },
  } as const
  return { ...base, upstream: 'registry.test', purge: false, ...change }
}

/** A service whose origin is a map from `repository:tag`, and whose jobs are a list. */
function serviceWith(rules: readonly WebhookRule[]) {
  const origin = new Map<string, Digest>([['team/app:v1', digestOf(Buffer.from('v1'))]])
  const started: { image: HintedImage; digest: Digest; name: string }[] = []
  const purged: string[] = []
  const clock = new SkippingClock()
  const registry = new PrometheusRegistry()
  const state = { submitFails: 0, asked: 0 }
  const service = new Webhooks(
    {
      clock,
      logger: silentLogger,
      registry,
      knows: (upstream) => upstream === 'registry.test' || upstream === 'docker.io',
      resolve: async ({ repository, tag }) => {
        state.asked++
        return origin.get(`${repository}:${tag}`)
      },
      submit: async (image, digest, { name }) => {
        if (state.submitFails-- > 0) throw new Error('nobody there')
        started.push({ image, digest, name: String(name) })
      },
      isGone: async ({ repository, target }) =>
        target.kind === 'tag'
          ? !origin.has(`${repository}:${target.tag}`)
          : ![...origin.values()].includes(target.digest),
      purge: async (image) => void purged.push(referenceText(image)),
    },
    { rules, dedupeMs: 10 * MINUTE_MS },
  )
  return {
    service,
    origin,
    started,
    purged,
    clock,
    state,
    registry,
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  }
}

function bearer(source = 'distribution', authorization = `Bearer ${SECRET}`): WebhookHead {
  return { source, headers: { authorization } }
}

function push(repository = 'team/app', tag = 'v1', host = 'registry.test'): Buffer {
  return Buffer.from(JSON.stringify({ events: [{ action: 'push', target: { repository, tag }, request: { host } }] }))
}

function deletion(target: { readonly tag?: string; readonly digest?: Digest }): Buffer {
  const event = { action: 'delete', target: { repository: 'team/app', ...target }, request: { host: 'registry.test' } }
  return Buffer.from(JSON.stringify({ events: [event] }))
}

describe('a webhook that tells of a deletion', () => {
  const image = 'registry.test/team/app'
  const v1 = digestOf(Buffer.from('v1'))

  it('has what the origin does not have leave every host, by a rule that says so', async () => {
    await using it = serviceWith([rule(), rule({ tag: '*', purge: true })])
    it.origin.clear()
    assert.deepEqual(it.service.receive(bearer(), deletion({ tag: 'v1', digest: v1 })), {
      kind: 'accepted',
      matched: 2,
    })
    await it.service.settled()
    assert.deepEqual([it.purged, it.started], [[`${image}:v1`, `${image}@${v1}`], []])
    assert.match(await it.registry.text(), /shoal_prewarm_hooks_total\{source="distribution",result="purged"\} 2/)
  })

  it('moves nothing while the origin has it', async () => {
    await using it = serviceWith([rule({ tag: '*', purge: true })])
    it.service.receive(bearer(), deletion({ tag: 'v1', digest: v1 }))
    await it.service.settled()
    assert.deepEqual(it.purged, [])
    assert.match(await it.registry.text(), /shoal_prewarm_hooks_total\{source="distribution",result="kept"\} 2/)
  })

  it('takes the tag alone where the image has another one', async () => {
    await using it = serviceWith([rule({ tag: '*', purge: true })])
    it.origin.delete('team/app:v1')
    it.origin.set('team/app:latest', v1)
    it.service.receive(bearer(), deletion({ tag: 'v1', digest: v1 }))
    await it.service.settled()
    assert.deepEqual(it.purged, [`${image}:v1`])
  })

  it('is for rules about deletions, and for those about its tag', async () => {
    await using it = serviceWith([rule({ tag: 'v2*', purge: true })])
    it.origin.clear()
    const unmatched = { kind: 'accepted', matched: 0 } as const
    assert.deepEqual(it.service.receive(bearer(), deletion({ tag: 'v1', digest: v1 })), unmatched)
    assert.deepEqual(it.service.receive(bearer(), push('team/app', 'v2')), unmatched)
    await it.service.settled()
    assert.deepEqual([it.purged, it.started], [[], []])
  })

  it('is one purge, until it may have been pushed and deleted again', async () => {
    await using it = serviceWith([rule({ purge: true })])
    it.origin.clear()
    for (const waitMs of [0, 1_000, MINUTE_MS]) {
      it.clock.ms += waitMs
      it.service.receive(bearer(), deletion({ tag: 'v1' }))
      await it.service.settled()
    }
    assert.deepEqual(it.purged, [`${image}:v1`, `${image}:v1`])
  })
})

describe('a webhook', () => {
  it('starts the job of the rule it fits, with what the origin says', async () => {
    await using it = serviceWith([rule(), rule({ tag: 'latest', options: { name: 'second' } })])
    assert.equal(it.service.admits(bearer()), 'yes')
    assert.deepEqual(it.service.receive(bearer(), push()), { kind: 'accepted', matched: 1 })
    await it.service.settled()
    const image = { upstream: 'registry.test', repository: 'team/app', tag: 'v1' }
    assert.deepEqual(it.started, [{ image, digest: digestOf(Buffer.from('v1')), name: 'first' }])
    assert.match(await it.registry.text(), /shoal_prewarm_hooks_total\{source="distribution",result="started"\} 1/)
  })

  it('that no rule wants, or about an upstream nobody configured, is taken and forgotten', async () => {
    await using it = serviceWith([rule({ upstream: undefined })])
    for (const body of [push('other/app'), push('team/app', 'latest'), push('team/app', 'v1', 'evil.test')]) {
      assert.deepEqual(it.service.receive(bearer(), body), { kind: 'accepted', matched: 0 })
    }
    await it.service.settled()
    assert.equal(it.state.asked, 0)
  })

  it('is only a hint: what the origin does not have starts nothing, however often it is said', async () => {
    await using it = serviceWith([rule()])
    it.service.receive(bearer(), push('team/app', 'v2'))
    await it.service.settled()
    assert.deepEqual(it.started, [])
    assert.equal(it.state.asked, 3)
    assert.match(await it.registry.text(), /result="gone"\} 1/)
  })

  it('is asked about again when the origin or the job was not ready', async () => {
    await using it = serviceWith([rule()])
    it.state.submitFails = 2
    it.service.receive(bearer(), push())
    await it.service.settled()
    assert.equal(it.started.length, 1)
  })

  it('that repeats itself starts one job, until the window has passed or the tag has moved', async () => {
    await using it = serviceWith([rule()])
    const say = async () => {
      it.service.receive(bearer(), push())
      it.service.receive(bearer(), push())
      await it.service.settled()
    }
    await say()
    await say()
    assert.equal(it.started.length, 1)
    it.origin.set('team/app:v1', digestOf(Buffer.from('v1, again')))
    await say()
    assert.equal(it.started.length, 2)
    it.clock.ms += 11 * MINUTE_MS
    await say()
    assert.equal(it.started.length, 3)
  })

  it('starts the jobs of every rule whose secret it proves, and of no other', async () => {
    await using it = serviceWith([
      rule(),
      rule({ options: { name: 'twin' } }),
      rule({ secret: OTHER, options: { name: 'other' } }),
    ])
    assert.deepEqual(it.service.receive(bearer(), push()), { kind: 'accepted', matched: 2 })
    it.service.receive(bearer('distribution', `Bearer ${OTHER}`), push())
    await it.service.settled()
    assert.deepEqual(it.started.map(({ name }) => name).sort(), ['first', 'other', 'twin'])
  })

  it('that is not in the format of its source is refused', async () => {
    await using it = serviceWith([rule()])
    for (const body of ['', '{', '[]', '\xff', 'null']) {
      assert.equal(it.service.receive(bearer(), Buffer.from(body, 'latin1')).kind, 'invalid', body)
    }
  })

  it('comes back later when too many wait', async () => {
    await using it = serviceWith([rule({ repository: '**', tag: '*' })])
    const events = Array.from({ length: 100 }, (_, i) => ({
      action: 'push',
      target: { repository: `a/b${i}`, tag: 't' },
    }))
    const body = Buffer.from(JSON.stringify({ events }))
    const kinds = [1, 2, 3].map(() => it.service.receive(bearer(), body).kind)
    assert.deepEqual(kinds, ['accepted', 'accepted', 'busy'])
  })

  it('is not followed any more when the host stops', async () => {
    const it = serviceWith([rule()])
    it.service.receive(bearer(), push())
    await it.service[Symbol.asyncDispose]()
    assert.deepEqual(it.started, [])
  })
})

describe('the proof of a webhook', () => {
  const gitHub = Buffer.from(JSON.stringify({ action: 'published' }))
  const sign = (secret: string, body = gitHub) => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  const cases: readonly [string, WebhookHead, boolean][] = [
    ['a bearer secret', bearer(), true],
    ['the bare secret, as Harbor sends what it is given', bearer('harbor', SECRET), true],
    ["a basic password, as EventBridge's connections send", bearer('ecr', basic(`shoal:${SECRET}`)), true],
    ['a wrong secret', bearer('distribution', `Bearer ${SECRET}x`), false],
    ['a prefix of the secret', bearer('distribution', `Bearer ${SECRET.slice(0, -1)}`), false],
    ['a basic user instead of a password', bearer('ecr', basic(`${SECRET}:`)), false],
    ['nothing', { source: 'distribution', headers: {} }, false],
    ['the header twice', { source: 'distribution', headers: { authorization: [`Bearer ${SECRET}`] } }, false],
    ['the secret in the path, for Docker Hub', { source: 'dockerhub', headers: {}, pathSecret: SECRET }, true],
    ['a wrong secret in the path', { source: 'dockerhub', headers: {}, pathSecret: OTHER }, false],
    ['a header, where the path is asked for', bearer('dockerhub'), false],
    ['the path, where a header is asked for', { source: 'harbor', headers: {}, pathSecret: SECRET }, false],
    ["GitHub's signature", { source: 'ghcr', headers: { 'x-hub-signature-256': sign(SECRET) } }, true],
    ['a signature by another secret', { source: 'ghcr', headers: { 'x-hub-signature-256': sign(OTHER) } }, false],
    [
      'a signature of another body',
      { source: 'ghcr', headers: { 'x-hub-signature-256': sign(SECRET, Buffer.from('{}')) } },
      false,
    ],
    ['a signature cut short', { source: 'ghcr', headers: { 'x-hub-signature-256': sign(SECRET).slice(0, -2) } }, false],
    ['the secret itself, where a signature is asked for', bearer('ghcr'), false],
  ]
  for (const [what, head, good] of cases) {
    it(`${good ? 'is' : 'is not'} ${what} (${head.source})`, async () => {
      const sources = ['distribution', 'harbor', 'dockerhub', 'ghcr', 'ecr'] as const
      await using it = serviceWith(sources.map((source) => rule({ source })))
      const { kind } = it.service.receive(head, gitHub)
      assert.equal(kind === 'unauthorized', !good, kind)
      // What can be known before the body is, must be.
      if (head.source !== 'ghcr') assert.equal(it.service.admits(head), good ? 'yes' : 'unauthorized')
    })
  }

  it('is not even looked for where no rule has the source', async () => {
    await using it = serviceWith([rule()])
    for (const source of ['harbor', 'quay', '__proto__']) {
      assert.equal(it.service.admits(bearer(source)), 'unknown')
      assert.deepEqual(it.service.receive(bearer(source), push()), { kind: 'unknown' })
    }
  })
})
