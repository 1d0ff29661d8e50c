import type { PurgeView } from '../purge/index.ts'
import { plainTable } from './plain-table.ts'
import { sizeText } from './quantity-text.ts'

/** Hosts that are named for eyes; `--json` has more. */
const MAX_NAMED = 10

/** One purge, for eyes. */
export function purgeText(view: PurgeView): string {
  const { id, images, by, regions, absent, complete, untilEpochMs, dryRun } = view
  const { bytes, keptBytes } = totals(view)
  const head = plainTable([
    ['Purge', dryRun ? `${id} (dry run: nothing goes)` : id],
    ...images.map((image) => ['Image', image]),
    ['By', by],
    ['Hosts', hostsText(view)],
    [dryRun ? 'To be freed' : 'Freed', sizeText(bytes)],
    ['Kept', keptBytes === 0 ? 'nothing' : `${sizeText(keptBytes)} that a pin or another image needs`],
    ...(complete || dryRun
      ? []
      : [['Others', `do it when they are there, until ${new Date(untilEpochMs).toISOString()}`]]),
    ...absent.map((region) => ['No answer', `region ${region}`]),
  ])
  const missing = regions.flatMap((one) => one.missing.map((host) => [one.region, host]))
  if (missing.length === 0) return head
  const more = missing.length > MAX_NAMED ? `\n... and more, see --json` : ''
  return `${head}\n\n${plainTable(missing.slice(0, MAX_NAMED), ['REGION', 'NOT DONE'])}${more}`
}

export function purgesText(purges: readonly PurgeView[]): string {
  if (purges.length === 0) return 'there are no purges'
  const rows = purges.map((view) => [
    view.id,
    hostsText(view),
    sizeText(totals(view).bytes),
    new Date(view.issuedEpochMs).toISOString(),
    view.images.join(' '),
  ])
  return plainTable(rows, ['ID', 'HOSTS', 'FREED', 'GIVEN', 'IMAGES'])
}

export function purgeProgress(view: PurgeView): string {
  return `${hostsText(view)}, ${sizeText(totals(view).bytes)} freed`
}

function hostsText(view: PurgeView): string {
  const { hosts, done } = totals(view)
  return `${done} of ${hosts} done`
}

function totals({ regions }: PurgeView): { hosts: number; done: number; bytes: number; keptBytes: number } {
  const sum = (part: (one: PurgeView['regions'][number]) => number): number =>
    regions.reduce((all, one) => all + part(one), 0)
  return {
    hosts: sum(({ hosts }) => hosts),
    done: sum(({ done }) => done),
    bytes: sum(({ freedBytes }) => freedBytes),
    keptBytes: sum((one) => one.keptBytes),
  }
}
