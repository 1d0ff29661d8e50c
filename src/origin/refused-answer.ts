import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'
import type { HttpAnswer } from './http-exchange.ts'
import { statusError } from './http-status.ts'

/** What every registry of the Distribution family says of itself. */
const VERSION_HEADER = 'docker-distribution-api-version'

/** distribution-spec, "Error Codes". */
const errorDocument = z.object({
  errors: z.tuple(
    [z.object({ code: z.string().min(1), message: z.unknown() }).partial({ message: true })],
    z.unknown(),
  ),
})
const MAX_WORDS = 200
/** Every kind of manifest says its version or type; those that leave both out have a list. */
const manifestMarks = z.union([
  z.object({ schemaVersion: z.number() }),
  z.object({ mediaType: z.string() }),
  z.object({ manifests: z.array(z.unknown()) }),
  z.object({ layers: z.array(z.unknown()) }),
])

/**
 * What an answer that is no success means: `unknown` when the registry itself says that it does not have the content,
 * else an error. Only a registry's own words make content unknown or denied: an ingress without its backend, a
 * firewall or a login page answers 404 and 403 too, and is an outage. `inClientName`: the client's own proof went along;
 * then a refusal is a refusal, whoever says it, since an outage would let it have what others may.
 */
export function refusedAnswer(answer: HttpAnswer, text: string, inClientName: boolean): 'unknown' | ShoalError {
  const isRegistrys = answer.headers[VERSION_HEADER] !== undefined || isErrorDocument(text)
  const { status, place, elsewhere } = answer
  // Storage that a registry leads to has no error document; that it lacks an object is its own to say.
  if (status === 404) return isRegistrys || elsewhere ? 'unknown' : outage(answer)
  if ((status === 403 || status === 451) && !isRegistrys && !elsewhere && !inClientName) return outage(answer)
  if (status >= 200 && status < 300) return new ShoalError('ORIGIN_UNREACHABLE', `${place} sends something else`)
  return worded(statusError(answer), text)
}

/** A registry's own words tell people more than its status. */
function worded(error: ShoalError, text: string): ShoalError {
  const said = errorDocument.safeParse(parseJson(text)).data?.errors[0].message
  const words = typeof said === 'string' ? said.replace(/[^\x20-\x7e]+/g, ' ').slice(0, MAX_WORDS) : ''
  if (words.trim() === '') return error
  return new ShoalError(error.code, `${error.message}: ${words}`, { details: { ...error.details } })
}

/** Whether a HEAD's 404, which has no body to tell by, is the registry's own. */
export function isOwnUnknown({ status, headers, elsewhere }: HttpAnswer): boolean {
  return status === 404 && (headers[VERSION_HEADER] !== undefined || elsewhere)
}

/** Whether a 200 is a page for people, as logins, portals and parked domains send it, where content should be. */
export function isPage({ status, headers }: HttpAnswer): boolean {
  const isHtml = /^\s*(?:text\/html|application\/xhtml\+xml)\b/i.test(headers['content-type'] ?? '')
  return status === 200 && isHtml && headers['docker-content-digest'] === undefined
}

/** Whether a document may be a manifest: what answers everything with some JSON is no registry. */
export function mayBeManifest(document: unknown): boolean {
  return manifestMarks.safeParse(document).success
}

function outage({ status, place }: HttpAnswer): ShoalError {
  return new ShoalError('ORIGIN_UNREACHABLE', `${place} answers ${status}, and not as a registry does`, {
    details: { status },
  })
}

function isErrorDocument(text: string): boolean {
  return errorDocument.safeParse(parseJson(text)).success
}
