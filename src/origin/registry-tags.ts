import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'
import { isTag } from '../oci/reference.ts'
import type { OriginQuery, TagPage } from './interface.ts'
import type { RegistryClient } from './registry-client.ts'

const PAGE_TAGS = 1000
/** This many tags in lexical order are no accident. */
const ORDER_SHOWS = 100
const MAX_PAGES = 200
/** What is read of a list that has to be sorted here; sorting them takes 50 ms. */
const MAX_TAGS = 50_000
const MAX_PAGE_BYTES = 4 * 1024 * 1024

/** Some leave out `tags` where there are none; a document without a name either is no list. */
const pageSchema = z
  .object({ name: z.string().optional(), tags: z.array(z.string()).nullish() })
  .refine(({ name, tags }) => name !== undefined || tags !== undefined)

interface RegistryTagPage {
  readonly tags: readonly string[]
  /** The next page, below the repository, as its Link header has it. */
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
  /** This many tags end the reading. */
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
  const asked = new Set<string>()
  let next: string | undefined = `tags/list?${first}`
  while (next !== undefined && tags.size < Math.min(enough, MAX_TAGS) && asked.size < MAX_PAGES) {
    asked.add(next)
    const read = await getPage(client, query, next)
    if (read === undefined) return asked.size === 1 ? undefined : { tags: [...tags], more: false }
    for (const tag of read.tags) {
      if (tags.size >= MAX_TAGS) return { tags: [...tags], more: true }
      if (isTag(tag)) tags.add(tag)
    }
    // pages that lead back to an earlier one have all been read
    next = read.next === undefined || asked.has(read.next) ? undefined : read.next
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

async function getPage(client: RegistryClient, query: OriginQuery, path: string): Promise<RegistryTagPage | undefined> {
  const answer = await client.ask({ ...query, method: 'GET', path })
  if (answer.status !== 200) {
    const refusal = await client.refusal(answer, query)
    if (refusal === 'unknown') return undefined
    throw refusal
  }
  const bytes = await client.whole(answer, MAX_PAGE_BYTES, query.signal)
  const page = bytes === 'too large' ? undefined : readTagPage(bytes, answer.headers.link)
  if (page === undefined) throw new ShoalError('ORIGIN_UNREACHABLE', `${answer.place} sent no list of tags`)
  return page
}

/** Reads a page and its Link header; undefined for what is no list of tags. */
export function readTagPage(
  document: Uint8Array,
  link: string | readonly string[] | undefined,
): RegistryTagPage | undefined {
  const { data } = pageSchema.safeParse(parseJson(document))
  return data === undefined ? undefined : { tags: data.tags ?? [], next: nextPage(link) }
}

/** A link and its parameters (RFC 8288), of which values may be quoted. */
const LINK = /<([^<>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:"[^"]*"|[^\s;,]*))?)*)/g
const IS_NEXT = /;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|'?next'?(?=[\s;]|$))/i
const LIST = '/tags/list'

/** What follows the repository in `<...>; rel="next"`: the list goes on at the same registry, wherever the link points. */
function nextPage(link: string | readonly string[] | undefined): string | undefined {
  const text = String(link ?? '').slice(0, 8192)
  const [, target] = [...text.matchAll(LINK)].find(([, , parameters = '']) => IS_NEXT.test(parameters)) ?? []
  const url = target === undefined ? null : URL.parse(target.trim(), `http://registry${LIST}`)
  if (url === null) return undefined
  const at = url.pathname.lastIndexOf(LIST)
  const path = at < 0 ? LIST : url.pathname.slice(at)
  return path === LIST && url.search === '' ? undefined : `${path.slice(1)}${url.search}`
}
