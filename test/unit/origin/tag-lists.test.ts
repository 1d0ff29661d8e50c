import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { openOrigin } from '../../../src/origin/index.ts'
import { deps, never, REGISTRY_HEADERS, startServer } from './fixtures.ts'

const query = { repository: 'team/app', signal: never }
const TAGS = ['a', 'b', 'c', 'd', 'e', 'f', 'g']

async function open(t: TestContext, handler: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = await startServer(t, handler)
  const origin = openOrigin({ kind: 'registry', url: server.url, access: 'public' }, deps)
  t.after(() => origin[Symbol.asyncDispose]())
  return { origin, server }
}

/** Pages of three, each with the link that `form` makes of the next one's place. */
function pages(form: (at: number, host: string) => string | string[]) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? '', 'http://x')
    const last = url.searchParams.get('last')
    const at = last === null ? Number(/\bat[-=](\d+)/.exec(request.url ?? '')?.[1] ?? 0) : TAGS.indexOf(last) + 1
    const link = form(at + 3, request.headers.host ?? '')
    response.writeHead(200, { ...REGISTRY_HEADERS, ...(at + 3 < TAGS.length ? { link } : {}) })
    response.end(JSON.stringify({ name: 'team/app', tags: TAGS.slice(at, at + 3) }))
  }
}

const LIST = '/v2/team/app/tags/list'
const links: readonly [form: string, link: (at: number, host: string) => string | string[]][] = [
  ['a path', (at) => `<${LIST}?n=3&at=${at}>; rel="next"`],
  ['an absolute URL', (at, host) => `<http://${host}${LIST}?n=3&at=${at}>; rel="next"`],
  ['the URL of another host', (at) => `<https://internal.backend:8443${LIST}?at=${at}>; rel="next"`],
  ['a URL without its scheme', (at) => `<//other.example${LIST}?at=${at}>; rel="next"`],
  ['a query alone', (at) => `<?at=${at}>; rel="next"`],
  ['a path from where it is', (at) => `<list?at=${at}>; rel="next"`],
  ['the path of a backend', (at) => `</api/docker/team/app/tags/list?at=${at}>; rel="next"`],
  ['a path of its own', (at) => `<${LIST}/at-${at}>; rel="next"`],
  ['the last tag', (at) => `<${LIST}?last=${TAGS[at - 1]}&n=3>; rel="next"`],
  ['no quotes', (at) => `<${LIST}?at=${at}>;rel=next`],
  ['single quotes', (at) => `<${LIST}?at=${at}>; rel='next'`],
  ['capitals', (at) => `<${LIST}?at=${at}> ; REL = "NEXT"`],
  ['several relations', (at) => `<${LIST}?at=${at}>; rel="prefetch next"`],
  ['other parameters', (at) => `<${LIST}?at=${at}>; title="pages, more; of"; rel="next"; type=x`],
  [
    'other links around it',
    (at) => `<${LIST}?at=0>; rel="first", <${LIST}?at=${at}>; rel="next", <${LIST}?at=6>; rel="last"`,
  ],
  ['other links, a line each', (at) => [`<${LIST}?at=0>; rel="prev"`, `<${LIST}?at=${at}>; rel="next"`]],
  ['a comma in its query', (at) => `<${LIST}?at=${at}&fields=a,b>; rel="next"`],
  ['signs that want encoding', (at) => `<${LIST}?at=${at}&token=a b|c"d>; rel="next"`],
]

describe('a list of tags', () => {
  for (const [form, link] of links) {
    it(`goes on by ${form}`, async (t) => {
      const { origin } = await open(t, pages(link))
      assert.deepEqual(await origin.listTags(query), { tags: TAGS, more: false })
      assert.deepEqual(await origin.listTags({ ...query, limit: 4 }), { tags: ['a', 'b', 'c', 'd'], more: true })
    })
  }

  for (const [form, link] of [
    ['itself', () => `<${LIST}?n=1000>; rel="next"`],
    ['its beginning and back', (at: number) => `<${LIST}?at=${at > 3 ? 0 : 3}>; rel="next"`],
    ['another relation', () => `<${LIST}?at=3>; rel="last"`],
    ['what is no link', () => `${LIST}?at=3; rel=next`],
    ['an address that is none', () => '<http://[>; rel="next"'],
  ] as const) {
    it(`ends when a page leads to ${form}`, async (t) => {
      const { origin, server } = await open(t, (request, response) => {
        const at = Number(new URL(request.url ?? '', 'http://x').searchParams.get('at') ?? 0)
        response
          .writeHead(200, { ...REGISTRY_HEADERS, link: link(at + 3) })
          .end(JSON.stringify({ tags: TAGS.slice(0, 3) }))
      })
      assert.deepEqual((await origin.listTags(query))?.tags, ['a', 'b', 'c'])
      assert.ok(server.requests.length <= 3, `${server.requests.length} requests`)
    })
  }

  it('that never ends is cut, and says that there is more', async (t) => {
    const { origin, server } = await open(t, (request, response) => {
      const at = Number(new URL(request.url ?? '', 'http://x').searchParams.get('at') ?? 0)
      response.writeHead(200, { ...REGISTRY_HEADERS, link: `<${LIST}?at=${at + 1}>; rel="next"` })
      response.end(JSON.stringify({ tags: [`t${String(at).padStart(6, '0')}`] }))
    })
    assert.equal((await origin.listTags(query))?.more, true)
    assert.ok(server.requests.length <= 200)
  })

  it('that is larger than anybody reads, in an order of its own, is cut where sorting it would take long', async (t) => {
    const { origin, server } = await open(t, (request, response) => {
      const at = Number(new URL(request.url ?? '', 'http://x').searchParams.get('at') ?? 0)
      response.writeHead(200, { ...REGISTRY_HEADERS, link: `<${LIST}?at=${at + 1}>; rel="next"` })
      response.end(JSON.stringify({ tags: Array.from({ length: 20_000 }, (_, i) => `t${(i * 7_919) % 20_000}-${at}`) }))
    })
    const list = await origin.listTags(query)
    assert.deepEqual([list?.tags.length, list?.more], [50_000, true])
    assert.ok(server.requests.length <= 6, `${server.requests.length} requests`)
  })

  for (const [what, body, tags] of [
    ['null', '{"name":"team/app","tags":null}', []],
    ['left out', '{"name":"team/app"}', []],
    ['none', '{"name":"team/app","tags":[]}', []],
    ['some of them twice', '{"tags":["b","a","b"]}', ['a', 'b']],
    ['of another name', '{"name":"backend/team/app","tags":["a"],"manifest":{},"child":[]}', ['a']],
    ['with what are no tags', '{"tags":["a","","../x","-","b"]}', ['a', 'b']],
    ['in another order than bytes', '{"tags":["v10","v9","V1"]}', ['V1', 'v10', 'v9']],
  ] as const) {
    it(`whose tags are ${what} is read`, async (t) => {
      const { origin } = await open(t, (_request, response) => void response.writeHead(200, REGISTRY_HEADERS).end(body))
      assert.deepEqual(await origin.listTags(query), { tags, more: false })
    })
  }

  it('is an outage where something else answers', async (t) => {
    for (const body of ['<html>log in</html>', '', 'null', '[]', '"tags"', '{"tags":"a"}']) {
      const { origin } = await open(t, (_request, response) => void response.writeHead(200).end(body))
      await assert.rejects(origin.listTags(query), { code: 'ORIGIN_UNREACHABLE' }, body)
    }
  })
})
