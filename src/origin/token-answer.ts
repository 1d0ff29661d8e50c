import { z } from 'zod'
import { parseJson } from '../base/json.ts'

/** As Go's clients read it: `access_token` stands in for a token that is absent, null or empty; a life may be text. */
const tokenSchema = z
  .object({ token: z.unknown(), access_token: z.unknown(), expires_in: z.unknown() })
  .partial()
  .transform(({ token, access_token, expires_in }) => ({
    token: textOf(token) || textOf(access_token),
    lifeS: expires_in === null ? undefined : z.coerce.number().safeParse(expires_in).data,
  }))

/** What a token server gives. */
export interface TokenAnswer {
  readonly token: string
  /** How long it is good, as far as that is said. */
  readonly lifeS: number | undefined
}

/** Reads the document; undefined for what brings no token that a header can carry: one with a line break is an attack. */
export function readTokenAnswer(document: Uint8Array): TokenAnswer | undefined {
  const { data } = tokenSchema.safeParse(parseJson(document))
  return data !== undefined && /^[\x21-\x7e]+$/.test(data.token) ? data : undefined
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
