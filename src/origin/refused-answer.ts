import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'
import type { HttpAnswer } from './http-exchange.ts'
import { statusError } from './http-status.ts'

/** What every registry of the Distribution family says of itself. */
const VERSION_HEADER = 'docker-distribution-api-version'

/** distribution-spec, "Error Codes". */
const errorDocument = z.object({ errors: z.array(z.unknown()) })

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
  return statusError(answer)
}

/** Whether a HEAD's 404, which has no body to tell by, is the registry's own. */
export function isOwnUnknown({ status, headers, elsewhere }: HttpAnswer): boolean {
  return status === 404 && (headers[VERSION_HEADER] !== undefined || elsewhere)
}

function outage({ status, place }: HttpAnswer): ShoalError {
  return new ShoalError('ORIGIN_UNREACHABLE', `${place} answers ${status}, and not as a registry does`, {
    details: { status },
  })
}

function isErrorDocument(text: string): boolean {
  return errorDocument.safeParse(parseJson(text)).success
}
