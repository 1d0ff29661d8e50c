import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { WebhookHead, WebhookSource } from './interface.ts'

/** How each source proves itself: the safest way that it can. */
const PROOF = {
  distribution: 'header',
  harbor: 'header',
  ecr: 'header',
  // It can be given a URL and nothing else.
  dockerhub: 'path',
  ghcr: 'signature',
} as const satisfies Record<WebhookSource, 'header' | 'path' | 'signature'>

/** What a request shows before its body is there: text to compare with a secret, or a signature for later. */
type Shown = { readonly kind: 'secret'; readonly text: string } | { readonly kind: 'signature'; readonly mac: Buffer }

/** Undefined when the request does not even try. */
export function shownBy(source: WebhookSource, { headers, pathSecret }: WebhookHead): Shown | undefined {
  switch (PROOF[source]) {
    case 'path':
      return pathSecret === undefined ? undefined : { kind: 'secret', text: pathSecret }
    case 'header': {
      const text = authorizationSecret(single(headers.authorization))
      return text === undefined ? undefined : { kind: 'secret', text }
    }
    case 'signature': {
      const hex = /^sha256=([0-9a-f]{64})$/i.exec(single(headers['x-hub-signature-256']) ?? '')?.[1]
      return hex === undefined ? undefined : { kind: 'signature', mac: Buffer.from(hex, 'hex') }
    }
    default:
      return PROOF[source] satisfies never
  }
}

/** Which of `secrets` a request proves. Takes the same time wherever they differ, and looks at every one. */
export function proven(shown: Shown, secrets: readonly string[], body: Uint8Array): boolean[] {
  return secrets.map((secret) =>
    shown.kind === 'secret'
      ? timingSafeEqual(sha256(shown.text), sha256(secret))
      : timingSafeEqual(createHmac('sha256', secret).update(body).digest(), shown.mac),
  )
}

/** `Bearer <secret>`, `Basic <base64 of any:secret>`, or the bare secret, which is all that some can be given. */
function authorizationSecret(header: string | undefined): string | undefined {
  const value = header?.trim() ?? ''
  const basic = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(value)
  if (basic !== null) {
    const pair = Buffer.from(basic[1] ?? '', 'base64').toString()
    const colon = pair.indexOf(':')
    return colon < 0 ? undefined : pair.slice(colon + 1)
  }
  const secret = /^(?:Bearer +)?(\S+)$/i.exec(value)
  return secret?.[1]
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Hashing first makes the lengths equal, which the comparison needs. */
function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
