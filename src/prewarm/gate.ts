import type { PrewarmView } from './interface.ts'
import { isFinal } from './job.ts'

/** What a rollout waits for. */
export interface GateSpec {
  /** Of the hosts of the job, without those it skipped. */
  readonly quorumPercent: number
  /** This many at least; 0 = as many as the quorum makes. */
  readonly hosts: number
}

/** Whether a rollout of one image may go on. */
export interface GateView {
  readonly image: string
  readonly open: boolean
  /** It will not open any more by itself: the job has ended below what is asked. */
  readonly final: boolean
  /** The job that it goes by, the newest with the image; null without one. */
  readonly job: string | null
  readonly ready: number
  readonly needed: number
  readonly reason: string
}

/**
 * The gate of one image by the jobs there are: open as soon as enough hosts have it, whether the job has ended or not.
 * `image` is a whole reference, or its digest.
 */
export function gateOf(
  image: { readonly text: string; readonly digest: string | undefined },
  jobs: readonly PrewarmView[],
  { quorumPercent, hosts }: GateSpec,
): GateView {
  const having = jobs.filter(({ images }) =>
    images.some(({ reference, digest }) => reference === image.text || digest === image.digest),
  )
  const job = having.reduce<PrewarmView | undefined>(
    (newest, one) => (newest === undefined || one.createdEpochMs > newest.createdEpochMs ? one : newest),
    undefined,
  )
  if (job === undefined) {
    const reason = 'no prewarm job has this image'
    return { image: image.text, open: false, final: false, job: null, ready: 0, needed: hosts, reason }
  }
  const { id, state, hosts: counts } = job
  const counted = counts.total - counts.skipped
  const needed = Math.max(1, hosts, Math.ceil((counted * quorumPercent) / 100 - 1e-9))
  const open = counts.ready >= needed
  const reason = `${counts.ready} of ${counted} hosts are ready, ${needed} are needed; the job is ${state}`
  return { image: image.text, open, final: !open && isFinal(state), job: id, ready: counts.ready, needed, reason }
}
