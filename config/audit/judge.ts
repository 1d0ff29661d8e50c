import { z } from 'zod'

const advisorySchema = z.looseObject({ name: z.string(), title: z.string(), severity: z.string(), url: z.string() })
/** What `npm audit --json` prints (npm 7 and later): packages by name, each with its advisories or whom it gets them from. */
const reportSchema = z.looseObject({
  auditReportVersion: z.literal(2),
  vulnerabilities: z.record(z.string(), z.looseObject({ via: z.array(z.union([z.string(), advisorySchema])) })),
})
/** What it prints where the registry answers otherwise, or not at all. */
const failureSchema = z.looseObject({ message: z.string() })

/** Advisories that are known and do no harm here, by their last name (GHSA-...), each with the reason. */
export const keptSchema = z.record(z.string().startsWith('GHSA-'), z.string().min(1))
export type Kept = z.infer<typeof keptSchema>

/** `notOffered`: why nothing could be compared. `problems`: what somebody must look at. */
export type Verdict = { readonly notOffered: string } | { readonly problems: readonly string[] }

/**
 * Compares a report with the list that is kept: an advisory that is not in it is a problem, and so is one in it that is no
 * longer reported. What is no report (a login page, nothing within the time) has not been offered.
 */
export function judge(report: unknown, kept: Kept): Verdict {
  const found = reportSchema.safeParse(report)
  if (!found.success) return { notOffered: failureSchema.safeParse(report).data?.message ?? 'npm printed no report' }
  const via = Object.values(found.data.vulnerabilities).flatMap((vulnerability) => vulnerability.via)
  const advisories = new Map(
    via.flatMap((one) => (typeof one === 'string' ? [] : [[one.url.split('/').at(-1) ?? one.url, one] as const])),
  )
  const unknown = [...advisories].filter(([id]) => kept[id] === undefined)
  const gone = Object.keys(kept).filter((id) => !advisories.has(id))
  return {
    problems: [
      ...unknown.map(([id, { name, severity, title }]) => `${id}: ${name} (${severity}): ${title}`),
      ...gone.map((id) => `${id}: is kept, and no longer reported: take it off the list`),
    ],
  }
}
