import { z } from 'zod'

/** What a request to an origin is for: a Distribution bucket's key or a registry's path, by kind. */
const TRAFFIC_KINDS = ['tag', 'layerLink', 'revision', 'manifest', 'blob', 'list', 'other'] as const
export type TrafficKind = (typeof TRAFFIC_KINDS)[number]

const countSchema = z.object({ requests: z.number(), bytes: z.number() })

/** What an origin was asked for since the last reset. Reads only; `bytes` are body bytes sent. Writes are one number. */
export const originCountersSchema = z.object({
  requests: z.number(),
  bytes: z.number(),
  writes: z.number(),
  byKind: z.record(z.enum(TRAFFIC_KINDS), countSchema),
})
export type OriginCounters = z.infer<typeof originCountersSchema>

/** How an origin misbehaves. What is left out behaves. */
export const originFaultsSchema = z.strictObject({
  /** Requests whose path contains one of these get every 64 KiB's first byte flipped. */
  corrupt: z.array(z.string()).optional(),
  /** Requests are read and never answered. */
  silent: z.boolean().optional(),
  /** Connections are closed without an answer. */
  refuse: z.boolean().optional(),
  /** Every request is answered with this status. */
  status: z.int().min(400).max(599).optional(),
  /** Every request is answered 200 with a page for people: a login, a captive portal. */
  html: z.boolean().optional(),
  /** Bodies of blobs end (FIN) after this many bytes. */
  cutAfterBytes: z.int().positive().optional(),
  /** Waited before each answer. */
  latencyMs: z.int().nonnegative().optional(),
  /** All bodies together, in bytes per second; 0 = unlimited. */
  bytesPerSec: z.number().nonnegative().optional(),
})
export type OriginFaults = z.infer<typeof originFaultsSchema>

const DIGEST_IN_KEY = /(sha256|sha512)(?:\/|:|%3A)(?:[0-9a-f]{2}\/)?([0-9a-f]{64,128})/i

/**
 * Tells what requests are for. A manifest's bytes lie among the blobs: they are told apart by the revision links seen
 * (a registry writes one at every push).
 */
export class TrafficClassifier {
  readonly #manifests = new Set<string>()

  classify(url: string): TrafficKind {
    const path = url.split('?', 1)[0] ?? url
    const hex = DIGEST_IN_KEY.exec(path)?.[2]
    if (path.includes('/_manifests/revisions/')) {
      if (hex !== undefined) this.#manifests.add(hex)
      return 'revision'
    }
    if (path.includes('/_manifests/tags/')) return 'tag'
    if (path.includes('/_layers/')) return 'layerLink'
    if (path.endsWith('/data')) return hex !== undefined && this.#manifests.has(hex) ? 'manifest' : 'blob'
    if (/^\/v2\/.+\/blobs\//.test(path)) return 'blob'
    if (/^\/v2\/.+\/manifests\//.test(path)) return hex === undefined ? 'tag' : 'manifest'
    return url.includes('list-type=') || path.endsWith('/tags/list') ? 'list' : 'other'
  }
}

export function emptyCounters(): OriginCounters {
  const byKind = Object.fromEntries(TRAFFIC_KINDS.map((kind) => [kind, { requests: 0, bytes: 0 }]))
  return originCountersSchema.parse({ requests: 0, bytes: 0, writes: 0, byKind })
}
