import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'
import { isTag } from '../oci/reference.ts'
import type { OriginQuery, TagPage } from './interface.ts'
import type { RegistryClient } from './registry-client.ts'

const PAGE_TAGS = 1000
/** So many tags in lexical order are no accident. */
const ORDER_SHOWS = 100
const MAX_PAGES = 200
const MAX_PAGE_BYTES = 8 * 1024 * 1024

const pageSchema = z.object({ tags: z.array(z.string()).nullish() })

interface RegistryTagPage {
  readonly tags: readonly string[]
  /** The query of the next page, as its Link header has it. */
  readonly next: string | undefined
}

/**
 * A registry's tag list (distribution-spec, "Listing Tags") in lexical order, from `after` on. Registries that list in
 * an order of their own, or page by something else than `last`, are read from the beginning to the end and sorted: with
 * their own order, pages would lose tags and repeat others.
 */
export async function listRegistryTags(
  client: RegistryClient,
  query: OriginQuery & { limit?: number | undefined; after?: string | undefined },
): Promise<TagPage | undefined> {
  const { limit = Number.POSITIVE_INFINITY, after } = query
  const asked = await readPages(client, query, { after, enough: limit + 1, pageTags: Math.max(limit, ORDER_SHOWS) })
  if (asked === undefined) return undefined
  if (inOrder(asked.tags, after)) return page(asked.tags, limit, asked.more)
  const isWhole = after === undefined && !asked.more
  const all = isWhole
    ? asked
    : await readPages(client, query, { enough: Number.POSITIVE_INFINITY, pageTags: PAGE_TAGS })
  if (all === undefined) return undefined
  const sorted = all.tags.toSorted(byText).filter((tag) => after === undefined || tag > after)
  return page(sorted, limit, all.more)
}

interface TagReading {
  readonly after?: string | undefined
  /** So many tags end the reading. */
  readonly enough: number
  readonly pageTags: number
}

/** Follows the pages until there are enough tags: each once, in the registry's order. Undefined without a repository. */
async function readPages(
  client: RegistryClient,
  query: OriginQuery,
  { after, enough, pageTags }: TagReading,
): Promise<{ readonly tags: readonly string[]; readonly more: boolean } | undefined> {
  const first = new URLSearchParams({ n: String(Math.min(Math.max(pageTags, 1), PAGE_TAGS)) })
  if (after !== undefined) first.set('last', after)
  const tags = new Set<string>()
  let next: string | undefined = first.toString()
  for (let count = 0; next !== undefined && tags.size < enough && count < MAX_PAGES; count++) {
    const read = await getPage(client, query, next)
    if (read === undefined) return count === 0 ? undefined : { tags: [...tags], more: false }
    for (const tag of read.tags) if (isTag(tag)) tags.add(tag)
    next = read.next === next ? undefined : read.next
  }
  return { tags: [...tags], more: next !== undefined }
}

/** Whether these are tags of a list in lexical order that begins after `after`. */
function inOrder(tags: readonly string[], after: string | undefined): boolean {
  return tags.every((tag, i) => tag > (i === 0 ? (after ?? '') : tags[i - 1]!))
}

function page(tags: readonly string[], limit: number, more: boolean): TagPage {
  return { tags: tags.slice(0, limit), more: limit > 0 && (more || tags.length > limit) }
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1
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
