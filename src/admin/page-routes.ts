import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { sendEvent } from './event-routes.ts'
import { EventStream } from './event-stream.ts'
import type { EventSource } from './interface.ts'
import { HttpRefusal } from './json-error.ts'
import type { PageKeys } from './page-keys.ts'
import { LINK_MS } from './page-keys.ts'
import type { PageSource } from './page-view.ts'
import { parseBody } from './request-schema.ts'

const EVENT_EVERY_MS = 1_000
/** As many as the page shows. */
const EVENTS_AT_ONCE = 30

const TYPES = { html: 'text/html', css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml' } as const

/** The page, file by file. Nothing else of the directory is given to anybody. */
export const PAGE_FILES: Readonly<Record<string, keyof typeof TYPES>> = {
  'index.html': 'html',
  'style.css': 'css',
  'icon.svg': 'svg',
  'main.js': 'js',
  'live.js': 'js',
  'dom.js': 'js',
  'text.js': 'js',
  'summary.js': 'js',
  'transfers.js': 'js',
  'traffic.js': 'js',
  'hosts.js': 'js',
  'jobs.js': 'js',
  'events.js': 'js',
  'origins.js': 'js',
  'pins.js': 'js',
}

/**
 * Only what this server itself sends runs or is drawn, nothing is asked of others, and no text can become markup: scripts
 * that would write HTML are stopped by the browser.
 */
const SAFETY = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
}

const keySchema = z.strictObject({ code: z.string().max(100) })

interface PageDeps {
  readonly page: PageSource
  readonly events: EventSource
  readonly keys: PageKeys
  readonly isOwn: (request: FastifyRequest) => boolean
}

/** The status page, how a browser gets to see all of it, and what it shows. */
export function addPageRoutes(app: FastifyInstance, { page, events, keys, isOwn }: PageDeps): void {
  app.get('/', (_request, reply) => sendFile(reply, 'index.html'))
  app.get('/page/:file', (request, reply) => {
    const { file } = request.params as { readonly file: string } // the route has it
    return sendFile(reply, file)
  })
  app.post('/api/v1/page/links', (_request, reply) => {
    return reply.code(201).send({ path: `/#code=${keys.newCode()}`, seconds: LINK_MS / 1000 })
  })
  app.post('/api/v1/page/keys', (request, reply) => {
    const key = keys.redeem(parseBody(keySchema, request.body).code)
    if (key !== undefined) return reply.code(201).send({ key })
    throw new HttpRefusal(403, 'CODE_REFUSED', 'this link has been used or has ended: "shoal page" makes another')
  })
  app.get('/api/v1/page/events', async (request, reply) => {
    const own = isOwn(request)
    // one stream for all: a browser has few connections to a server, over all its tabs
    const stream = new EventStream(reply)
    let seen = 0
    while (!stream.left.aborted) {
      // a reader that does not read misses only what is old
      if (!stream.isBehind) {
        stream.send('view', page.view(own))
        const news = own ? events.since(seen) : []
        for (const event of news.slice(-EVENTS_AT_ONCE)) sendEvent(stream, event)
        seen = news.at(-1)?.id ?? seen
      }
      await wait(EVENT_EVERY_MS, undefined, { signal: stream.left }).catch(() => {})
    }
  })
}

async function sendFile(reply: FastifyReply, file: string): Promise<FastifyReply> {
  const type = Object.hasOwn(PAGE_FILES, file) ? PAGE_FILES[file] : undefined
  if (type === undefined) throw new HttpRefusal(404, 'NOT_FOUND', 'the page has no such file')
  const bytes = await readFile(join(import.meta.dirname, 'page', file))
  return reply.headers(SAFETY).type(`${TYPES[type]}; charset=utf-8`).send(bytes)
}
