/**
 * The mirror as its own token server, for clients that take their challenge from `GET /v2/` and their scope from the name
 * they ask by: there the mirror cannot tell which registry is meant, and `registry.corp/team/app` is no repository of that
 * registry. Such a client is sent here for a token (distribution, "Token Authentication Specification"). The token is what
 * the client proves itself with, wrapped; the registry's own challenge is answered with it once the name is known. Nothing
 * is asked of anybody, nothing is kept.
 */

/** Below /v2/, where no repository can be: its paths have three parts at least. */
export const TOKEN_PATH = '/v2/token'

const MARK = 'shoal.'
/** What a client without credentials gets, so that it goes on as the registry's guest. No base64 looks like this. */
const NOBODY = 'anonymous'
const BASIC = /^Basic +([A-Za-z0-9+/]+={0,2})$/i
const WRAPPED = /^Bearer +shoal\.([A-Za-z0-9+/]+={0,2})$/i
/** Of little meaning: what is in a token does not change. */
const LIFE_S = 300

/** The token server's answer to a request with this Authorization header. */
export function ownTokenDocument(authorization: string | undefined) {
  const token = `${MARK}${credentialsOf(authorization) ?? NOBODY}`
  return { token, access_token: token, expires_in: LIFE_S }
}

/** The challenge that leads a client here. `host`: what the client calls this mirror; `name`: what it asked for. */
export function ownChallenge(host: string, name?: string): string {
  const scope = name === undefined ? '' : `,scope="repository:${name}:pull"`
  return `Bearer realm="http://${host}${TOKEN_PATH}",service="shoal"${scope}`
}

/** What a client proves itself with to the registry: undefined for a guest, Basic where this mirror made the token. */
export function clientProof(authorization: string | undefined): string | undefined {
  const wrapped = WRAPPED.exec(authorization ?? '')?.[1]
  if (wrapped !== undefined) return wrapped === NOBODY ? undefined : `Basic ${wrapped}`
  const isBasic = BASIC.test(authorization ?? '')
  return isBasic && credentialsOf(authorization) === undefined ? undefined : authorization
}

/** The credentials of Basic as they came; undefined where there is no name: some send `:` for nobody. */
function credentialsOf(authorization: string | undefined): string | undefined {
  const encoded = BASIC.exec(authorization ?? '')?.[1]
  if (encoded === undefined) return undefined
  return Buffer.from(encoded, 'base64').toString('latin1').startsWith(':') ? undefined : encoded
}
