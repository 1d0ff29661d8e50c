import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import type { Shape } from '../base/shape.ts'
import type { Reference } from '../oci/reference.ts'
import { referenceText } from '../oci/reference.ts'
import { digestSchema, repositorySchema, tagSchema, upstreamSchema } from '../oci/schema.ts'
import { count, epochMs, newOrderId, region, text } from '../orders/index.ts'

/*
 * A purge: images that are to leave every cache and every host. What it is, what hosts report of it and how that is told,
 * without I/O.
 */

/** An order to purge is kept for hosts that come later, as is what hosts have done. */
const KEPT_MS = 30 * 86_400_000
/** What is only counted is of no use to who comes later. */
const DRY_RUN_KEPT_MS = 10 * 60_000
/** Purges that a host remembers; the oldest go first. */
export const MAX_PURGES = 256
const MAX_PURGED_IMAGES = 64
/** Hosts that are named in one region's part of an answer. */
const MAX_NAMED = 32
const MAX_REGIONS = 1024

export const purgeId = z.string().regex(/^p-[a-z0-9-]{8,62}$/)

/** What is to go: an image by its tag or digest, or all that a repository has. */
const purgedImage = z.object({
  upstream: upstreamSchema,
  repository: repositorySchema,
  target: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('tag'), tag: tagSchema }),
    z.object({ kind: z.literal('digest'), digest: digestSchema }),
    z.object({ kind: z.literal('all') }),
  ]),
})
type PurgedImage = Shape<typeof purgedImage>

export const purgeSpecSchema = z.object({
  images: z.array(purgedImage).min(1).max(MAX_PURGED_IMAGES),
  /** Nothing goes: it is only counted. */
  dryRun: z.boolean(),
})
export type PurgeSpec = Shape<typeof purgeSpecSchema>

export const PURGE_STATES = ['waiting', 'done', 'failed'] as const

/** What one host has done. `waiting`: some blobs are of pulls that are under way. */
export const purgeReportSchema = z.object({
  state: z.enum(PURGE_STATES),
  reason: text.nullable(),
  tags: count,
  blobs: count,
  freedBytes: count,
  /** Pinned, or of another image as well. */
  keptBytes: count,
})
export type PurgeReport = Shape<typeof purgeReportSchema>

/** A region's hosts, its caches among them. */
const regionPurgeSchema = z.object({
  region,
  hosts: count,
  done: count,
  waiting: count,
  failed: count,
  blobs: count,
  freedBytes: count,
  keptBytes: count,
  /** By name: those that have not done it, and why where that is known. */
  missing: z.array(text).max(MAX_NAMED),
})
export type RegionPurge = Shape<typeof regionPurgeSchema>

/** What one region has done of some purges. */
export const purgeCountsSchema = z.object({
  region,
  purges: z.array(z.object({ id: purgeId, counts: regionPurgeSchema })).max(MAX_PURGES),
})
export type PurgeCounts = Shape<typeof purgeCountsSchema>

export const purgeViewSchema = z.object({
  id: purgeId,
  images: z.array(text).max(MAX_PURGED_IMAGES),
  dryRun: z.boolean(),
  by: text,
  issuedEpochMs: epochMs,
  /** Hosts that come until then do it, too. */
  untilEpochMs: epochMs,
  regions: z.array(regionPurgeSchema).max(MAX_REGIONS),
  /** Regions that are known, and whose caches do not answer. */
  absent: z.array(text).max(MAX_REGIONS),
  /** Every host that is known has done it. */
  complete: z.boolean(),
})
export type PurgeView = Shape<typeof purgeViewSchema>

export function newPurgeId(now: number): string {
  return `p-${newOrderId(now)}`
}

export function isPurgeId(id: string): boolean {
  return purgeId.safeParse(id).success
}

/** When an order is forgotten, which was given at `issuedEpochMs`. */
export function purgeEnd({ dryRun }: PurgeSpec, issuedEpochMs: number): number {
  return issuedEpochMs + (dryRun ? DRY_RUN_KEPT_MS : KEPT_MS)
}

/** As people read it. */
export function purgeText({ upstream, repository, target }: PurgedImage): string {
  return target.kind === 'all' ? `${upstream}/${repository}` : referenceText({ upstream, repository, target })
}

/**
 * What people ask for, each as `parse` reads it. `repositories`: they name repositories, and everything in them is meant.
 * Throws `REFERENCE_INVALID` for an image without a tag or digest: "all tags" is for `repositories` to say.
 */
export function parsePurge(
  texts: readonly string[],
  { repositories, dryRun }: { readonly repositories: boolean; readonly dryRun: boolean },
  parse: (text: string) => Reference,
): PurgeSpec {
  const images = texts.map((one): PurgedImage => {
    const { upstream, repository, target } = parse(one)
    const isBare = !one.includes('@') && !one.slice(one.lastIndexOf('/') + 1).includes(':')
    if (repositories && !isBare) throw invalid(`"${one}" has a tag or digest, and a whole repository was meant`)
    if (!repositories && isBare) {
      throw invalid(`"${one}" has no tag and no digest: give one, or --repository for everything in ${repository}`)
    }
    return { upstream, repository, target: repositories ? { kind: 'all' } : target }
  })
  if (images.length === 0 || images.length > MAX_PURGED_IMAGES) {
    throw invalid(`a purge is of 1 to ${MAX_PURGED_IMAGES} images, and these are ${images.length}`)
  }
  return { images, dryRun }
}

/** What a region has done: `names` are the hosts that are known, by their keys. */
export function regionPurge(
  name: string,
  names: ReadonlyMap<string, string>,
  reports: ReadonlyMap<string, PurgeReport>,
): RegionPurge {
  const told = [...reports.values()]
  const missing = [...names].flatMap(([key, host]) => {
    const report = reports.get(key)
    if (report?.state === 'done') return []
    return report === undefined ? host : `${host}: ${report.reason ?? report.state}`
  })
  const sum = (part: (report: PurgeReport) => number): number => told.reduce((all, one) => all + part(one), 0)
  const counted = (state: PurgeReport['state']): number => sum((one) => (one.state === state ? 1 : 0))
  return {
    region: name,
    hosts: new Set([...names.keys(), ...reports.keys()]).size,
    done: counted('done'),
    waiting: counted('waiting'),
    failed: counted('failed'),
    blobs: sum((one) => one.blobs),
    freedBytes: sum((one) => one.freedBytes),
    keptBytes: sum((one) => one.keptBytes),
    missing: missing.slice(0, MAX_NAMED),
  }
}

function invalid(message: string): ShoalError {
  return new ShoalError('REFERENCE_INVALID', message)
}
