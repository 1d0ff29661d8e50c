import { z } from 'zod'
import { errorText } from '../base/errors.ts'
import { LABEL_KEY, LABEL_VALUE, REGION } from '../base/names.ts'
import { LOAD_RUNTIMES } from '../runtime/index.ts'
import { imageReference } from './image-reference.ts'

/*
 * What a job may be asked to do: the one validator of it. Requests of people (spec.ts) are read into these shapes, what
 * comes from other hosts and from disk is checked by them as it is; so nothing gets in by one way that another refuses.
 */

export const MAX_IMAGES = 256
/** Of all names together: an order, which has them again, and what is sent with it fit into what is read of a request. */
const MAX_IMAGES_CHARS = 40 * 1024
/** How many regions a job may name. */
const MAX_REGIONS = 256
const MAX_SELECTORS = 32
const MAX_PLATFORMS = 16
/** As they are written; the last one, everybody, may have to be added. */
export const MAX_WAVES = 64
const MAX_REFERENCE_CHARS = 600
/** What the text of a number of hosts can say. */
const MAX_HOSTS = 999_999_999
export const MAX_SPAN_DAYS = 400
/** Nothing that a job asks for lasts longer. */
export const MAX_SPAN_MS = MAX_SPAN_DAYS * 86_400_000

const MAX_PRIORITY = 100
export const NO_PRIORITY = { error: `is no priority: a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}` }

const PLATFORM = /^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/

export const NO_COUNT = { error: 'is not a number of hosts' }
const NO_PLATFORM = { error: 'is neither os/arch[/variant] nor all' }

/** This many hosts, or this many of a hundred. */
export const amount = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('count'), count: z.int().min(0).max(MAX_HOSTS) }),
  z.object({ kind: z.literal('percent'), percent: z.number().min(0).max(100) }),
])
type Amount = z.infer<typeof amount>

/** Somebody at least. */
export const someHosts = amount.refine((one) => (one.kind === 'count' ? one.count : one.percent) > 0, 'chooses no host')

/** Bytes per second; 0 = unlimited. */
export const rateBytesPerSec = z.int().min(0)
/** Of several jobs a host works at those of the highest. */
export const priority = z.int(NO_PRIORITY).min(-MAX_PRIORITY, NO_PRIORITY).max(MAX_PRIORITY, NO_PRIORITY)
export const hostCount = z.int(NO_COUNT).min(0, NO_COUNT).max(MAX_HOSTS, NO_COUNT)
export const spanMs = z
  .number()
  .min(0)
  .max(MAX_SPAN_MS, { error: `is longer than ${MAX_SPAN_DAYS}d` })
export const quorumPercent = z.number().min(0).max(100)

const image = z
  .string()
  .max(MAX_REFERENCE_CHARS)
  .superRefine((text, context) => {
    try {
      // only its grammar: which upstream a bare name means is known to the agent
      imageReference(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: errorText(error) })
    }
  })
export const images = z
  .array(image)
  .min(1, { error: 'name at least one image' })
  .max(MAX_IMAGES, { error: `are more than the ${MAX_IMAGES} of one job: make several of them` })
  .refine((all) => all.reduce((sum, { length }) => sum + length, 0) <= MAX_IMAGES_CHARS, {
    error: `have longer names together than one job may (${MAX_IMAGES_CHARS} characters): make several of them`,
  })
export const regions = z.array(z.string().regex(REGION, { error: 'is no region name' })).max(MAX_REGIONS)
export const select = z
  .record(
    z.string().regex(LABEL_KEY, { error: 'is no label name' }),
    z.string().regex(LABEL_VALUE, { error: 'is no label value' }),
  )
  .refine((labels) => Object.keys(labels).length <= MAX_SELECTORS, 'has too many labels')
export const platforms = z
  .array(
    z
      .string(NO_PLATFORM)
      .max(64, NO_PLATFORM)
      .refine((text) => text === 'all' || PLATFORM.test(text), NO_PLATFORM),
  )
  .max(MAX_PLATFORMS)

/** Runtimes that can be told to pull through their own agent once the bytes are there. */
export const runtime = z.enum(LOAD_RUNTIMES, { error: `is neither ${LOAD_RUNTIMES.join(' nor ')}` })

/** How many hosts may have begun, cumulative, wave by wave; the last is all of them. */
export const waves = z
  .array(someHosts)
  .min(1, { error: 'is empty' })
  .max(MAX_WAVES + 1)
  .superRefine((all, context) => {
    const at = all.findIndex((wave, i) => all.slice(0, i).some((before) => isFewer(wave, before)))
    if (at < 0) return
    const message = 'is fewer hosts than a wave before it: waves count all hosts that may have begun'
    context.addIssue({ code: 'custom', path: [at], message })
  })
  .refine((all) => isEverybody(all.at(-1)), 'does not end with everybody')

/** What may be changed while a job runs. */
const editable = {
  waves,
  /** Hosts that may be at work at the same time; 0 = unlimited. */
  maxHosts: hostCount,
  /** Of each host. */
  rateBytesPerSec,
  /** Of all hosts together. */
  fleetRateBytesPerSec: rateBytesPerSec,
  /** From the origins. */
  originRateBytesPerSec: rateBytesPerSec,
  /** After this long the job ends as it stands; 0 = never. This and what follows is from the job's start. */
  deadlineMs: spanMs,
  /** The part of the counted hosts that must be ready. */
  quorumPercent,
  /** How many hosts may have failed when a wave ends; a percentage is of the hosts begun so far. */
  failureBudget: amount,
  /** How long the images are kept from eviction; 0 = not at all. */
  pinMs: spanMs,
  /** How long hosts that join the fleet still take part; 0 = only those that are there. */
  joinMs: spanMs,
  priority,
}

/** What a job is to do, complete: `parsePrewarmSpec` fills in the defaults. */
export const specSchema = z.object({
  /** References; where a job is ordered, they name their registries. */
  images,
  /** Only hosts of these regions; empty = all. */
  regions,
  /** Only hosts with all of these labels. */
  select,
  /** Only this many of the hosts that match; null = all. */
  hosts: someHosts.nullable(),
  /** `os/arch[/variant]`, or `all`; empty = what the coordinating cache runs on. */
  platforms,
  load: runtime.nullable(),
  ...editable,
  /** Orders of 0.1.0 name none. */
  priority: priority.default(0),
})

/** Keys that are absent stay. */
export const patchSchema = z.object({ state: z.enum(['running', 'paused', 'cancelled']), ...editable }).partial()

export function isEverybody(amount: Amount | undefined): boolean {
  return amount?.kind === 'percent' && amount.percent === 100
}

/** What can be said without knowing how many hosts there are. */
function isFewer(a: Amount, b: Amount): boolean {
  if (a.kind === 'count') return b.kind === 'count' ? a.count < b.count : b.percent === 100
  return b.kind === 'percent' && a.percent < b.percent
}
