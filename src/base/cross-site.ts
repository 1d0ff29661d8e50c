import type { IncomingHttpHeaders } from 'node:http'

/**
 * Whether a request was sent by a web page of another site than the server it went to. Browsers send GETs for any page
 * without asking (an image, `fetch` in no-cors mode), with the right Host, and say where they come from: Sec-Fetch-Site
 * (Fetch Metadata; `same-site` is another port or a sibling host) or Origin (RFC 6454; `null` hides a site). Programs
 * send neither. Off loopback browsers leave Sec-Fetch-Site out of plain HTTP, so there such a GET is not told apart.
 */
export function isCrossSite(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site']
  // behind a proxy that changes Host the browser still knows best
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  const { origin, host } = headers
  if (origin === undefined) return false
  const from = URL.parse(origin)
  return from === null || from.host !== hostOf(host)
}

/** As URL spells it, without the default port. */
function hostOf(header: string | undefined): string | undefined {
  return URL.parse(`http://${header ?? ''}`)?.host
}
