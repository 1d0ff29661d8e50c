import type { VerifiedDamage, VerifyView } from '../admin/index.ts'
import { plainTable } from './plain-table.ts'
import { sizeText } from './quantity-text.ts'

export function progressLine({ blobs, bytes }: VerifyView): string {
  const percent = bytes.total === 0 ? 100 : Math.floor((100 * bytes.checked) / bytes.total)
  return `${percent}%: ${blobs.checked} of ${blobs.total} blobs, ${sizeText(bytes.checked)} of ${sizeText(bytes.total)}`
}

/** What was looked at, and what was wrong with it. */
export function verifyText(view: VerifyView): string {
  const { blobs, bytes, damaged, absent, state } = view
  const looked = `${blobs.checked} of ${blobs.total} blobs (${sizeText(bytes.checked)}) compared`
  const ended = state === 'done' ? '' : '; stopped before the end'
  const verdict = damaged.length === 0 ? 'no damage' : `${damaged.length} damaged`
  const lines = [`${looked}: ${verdict}${ended}`]
  if (absent.length > 0) lines.push(`not here: ${absent.join(', ')}`)
  if (damaged.length > 0) lines.push(plainTable(damaged.map(damageRow), ['DIGEST', 'SIZE', 'DAMAGED', 'NOW']))
  return lines.join('\n')
}

function damageRow({ digest, sizeBytes, pieces, wholeAgain }: VerifiedDamage): string[] {
  const what = pieces.length === 0 ? 'as a whole' : `${pieces.length === 1 ? 'piece' : 'pieces'} ${pieces.join(' ')}`
  return [digest, sizeText(sizeBytes), what, wholeAgain ? 'dropped, and whole again' : 'dropped']
}
