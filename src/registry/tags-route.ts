import { isRefused } from '../base/outcome.ts'
import type { Answer } from './answer.ts'
import { jsonAnswer } from './answer.ts'
import { refusalAnswer } from './oci-error.ts'
import { outcomeOf } from './outcome.ts'
import type { PullQuery } from './pull-query.ts'
import type { RouteContext } from './route-context.ts'

/** GET /v2/<name>/tags/list (distribution-spec end-8). `name` is the client's own form of it, also in the link. */
export async function answerTags(name: string, context: RouteContext): Promise<Answer> {
  const { limit, after } = context.query
  // An empty page still has to find out whether there is such a repository.
  const asked = limit === 0 ? 1 : limit
  const outcome = await outcomeOf(context, (ref, signal) =>
    context.content.listTags({ ...ref, limit: asked, after }, signal),
  )
  if (isRefused(outcome)) return refusalAnswer('tags', outcome, context.asker)
  const tags = outcome.tags.slice(0, limit)
  const last = tags.at(-1)
  const more = outcome.more || tags.length < outcome.tags.length
  return jsonAnswer(
    200,
    { name, tags },
    more && last !== undefined ? { Link: nextPageLink(name, last, context.query) } : {},
  )
}

/** The Link header of a page that is not the last (RFC 8288), in the form of upstream choice the client used. */
export function nextPageLink(name: string, last: string, query: Pick<PullQuery, 'ns' | 'limit'>): string {
  const parameters = new URLSearchParams()
  if (query.limit !== undefined) parameters.set('n', String(query.limit))
  parameters.set('last', last)
  if (query.ns !== undefined) parameters.set('ns', query.ns)
  return `</v2/${name}/tags/list?${parameters}>; rel="next"`
}
