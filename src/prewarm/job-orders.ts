import { isDeepStrictEqual } from 'node:util'
import type { Ordered, OrderKind, Orders } from '../orders/index.ts'
import { readOrder } from '../orders/index.ts'
import type { Order } from '../trust/index.ts'
import { orderContent } from '../trust/index.ts'
import { imageReference } from './image-reference.ts'
import type { Plan, PrewarmPatch, PrewarmSpec, ToldRow } from './interface.ts'
import { applyPatch, isFinal } from './job.ts'
import { jobId } from './shapes.ts'
import { patchSchema, specSchema } from './spec-shapes.ts'

/** Images that a log line names; a job may have hundreds. */
const MAX_NAMED = 4

/** A job begins. */
export const JOB_ORDER: OrderKind<PrewarmSpec> = {
  verb: 'prewarm',
  id: jobId,
  content: specSchema,
  fields: specFields,
}

/** A job is changed. */
export const EDIT_ORDER: OrderKind<PrewarmPatch> = {
  verb: 'edit',
  id: jobId,
  content: patchSchema,
  fields: (patch) => ({ patch }),
}

export function specFields({ images, load, pinMs, joinMs, regions }: PrewarmSpec): object {
  return { images: images.slice(0, MAX_NAMED), imageCount: images.length, load, pinMs, joinMs, regions }
}

/**
 * What a job's own orders say it is to do; undefined when they do not prove it. Orders that were `proven` here before hold
 * on when the certificate of who gave them has ended. Caches may have ended a job sooner than it was ordered.
 */
export function orderedSpec(
  orders: Pick<Orders, 'provenFor'>,
  { id, root, orders: given, spec, state, plan }: ToldRow,
  proven: readonly Order[] = [],
): PrewarmSpec | undefined {
  const read = <S>(kind: OrderKind<S>, order: Order): Ordered<S> | undefined => {
    const isProven = proven.some((known) => isDeepStrictEqual(known, order))
    const said = isProven ? orderContent(order) : orders.provenFor(root, order)
    return said?.subject === id ? readOrder(kind, order, said) : undefined
  }
  const [first, ...edits] = given
  let ordered = first && read(JOB_ORDER, first)?.content
  for (const edit of edits) {
    const patch = read(EDIT_ORDER, edit)?.content
    ordered = ordered && patch && applyPatch(ordered, patch)
  }
  if (ordered === undefined || !isPlanOf(plan, ordered)) return undefined
  return isFinal(state) && spec.joinMs === 0 ? { ...ordered, joinMs: 0 } : ordered
}

/** The orders that a job is still made of: without changes whose every part a later one has changed again. */
export function withOrder(orders: readonly Order[], order: Order): Order[] {
  const [first, ...edits] = [...orders, order]
  const settled = new Set<string>()
  const kept: Order[] = []
  for (const edit of edits.reverse()) {
    const { state: _, ...changes } = readOrder(EDIT_ORDER, edit)?.content ?? {}
    const keys = Object.keys(changes)
    if (keys.every((key) => settled.has(key))) continue
    for (const key of keys) settled.add(key)
    kept.unshift(edit)
  }
  return first === undefined ? kept : [first, ...kept]
}

/** Whether a plan is of the images that were ordered: what their tags mean is the caches' to say, which ones is not. */
function isPlanOf({ images }: Plan, spec: PrewarmSpec): boolean {
  if (images.length !== spec.images.length) return false
  return images.every(({ upstream, repository, digest }, i) => {
    const wanted = imageReference(spec.images[i]!)
    const isSame = wanted.upstream === upstream && wanted.repository === repository
    return isSame && (wanted.target.kind === 'tag' || wanted.target.digest === digest)
  })
}
