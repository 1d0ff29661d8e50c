import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { isTag } from '../oci/reference.ts'
import type { OriginQuery, TagPage } from './interface.ts'
import type { RegistryClient } from './registry-client.ts'

const PAGE_TAGS = 1000
const MAX_PAGES = 200
const MAX_PAGE_BYTES = 8 * 1024 * 1024

const pageSchema = z.object({ tags: z.array(z.string()).nullish() })

interface RegistryTagPage {
  readonly tags: readonly string[]
  /** The query of the next page, as its Link header has it. */
  readonly next: string | undefined
}

/** Follows the pages of a registry's tag list (distribution-spec, "Listing Tags") until `limit` tags are there. */
export async function listRegistryTags(
  client: RegistryClient,
  query: OriginQuery & { limit?: number | undefined; after?: string | undefined },
): Promise<TagPage | undefined> {
  const { limit = Number.POSITIVE_INFINITY, after } = query
  const first = new URLSearchParams({ n: String(Math.min(Math.max(limit, 1), PAGE_TAGS)) })
  if (after !== undefined) first.set('last', after)
  const tags = new Set<string>()
  let next: string | undefined = first.toString()
  for (let count = 0; next !== undefined && tags.size < limit + 1 && count < MAX_PAGES; count++) {
    const page = await getPage(client, query, next)
    if (page === undefined) return count === 0 ? undefined : finish(tags, limit, false)
    // A registry that knows no pages sends everything each time.
    const fresh = after === undefined ? page.tags : page.tags.slice(page.tags.indexOf(after) + 1)
    for (const tag of fresh) if (isTag(tag)) tags.add(tag)
    if (tags.size >= limit) return finish(tags, limit, page.next !== undefined)
    next = page.next === next ? undefined : page.next
  }
  return finish(tags, limit, next !== undefined)
}

/**
 * In the registry's own order, which is not always the lexical one that the specification asks for: its `last` goes by
 * that order, so that another one here would lose tags between two pages.
 */
function finish(tags: ReadonlySet<string>, limit: number, more: boolean): TagPage {
  return { tags: [...tags].slice(0, limit), more: limit > 0 && (more || tags.size > limit) }
}

async function getPage(
  client: RegistryClient,
  query: OriginQuery,
  search: string,
): Promise<RegistryTagPage | undefined> {
  const answer = await client.ask({ ...query, method: 'GET', path: `tags/list?${search}` })
  if (answer.status !== 200) {
    const refusal = await client.refusal(answer, query)
    if (refusal === 'unknown') return undefined
    throw refusal
  }
  const bytes = await client.whole(answer, MAX_PAGE_BYTES, query.signal)
  const parsed = pageSchema.safeParse(bytes === 'too large' ? undefined : parseJson(bytes))
  if (!parsed.success) throw new ShoalError('ORIGIN_UNREACHABLE', `${answer.place} sent no list of tags`)
  return { tags: parsed.data.tags ?? [], next: nextQuery(answer.headers.link) }
}

/** Only the query of `<...>; rel="next"` is taken over: the list goes on at the same place, wherever the link points. */
function nextQuery(link: string | readonly string[] | undefined): string | undefined {
  const text = String(link ?? '').slice(0, 4096)
  return /<[^>?]*\?([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(text)?.[1]
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return undefined
  }
}
