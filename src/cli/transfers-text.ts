import type { TransferStatus } from '../admin/index.ts'
import { plainTable } from './plain-table.ts'
import { durationText, partsText, rateText, sizeText } from './quantity-text.ts'

const HEAD = ['DIGEST', 'STATE', 'DONE', 'SIZE', 'RATE', 'ETA', 'PEERS', 'FROM']
const DIGEST_CHARS = 'sha256:'.length + 12

/** Running transfers for eyes. */
export function transfersText(transfers: readonly TransferStatus[]): string {
  if (transfers.length === 0) return 'no transfer is running'
  return plainTable(transfers.map(row), HEAD)
}

function row(transfer: TransferStatus): string[] {
  const { digest, state, haveBytes, sizeBytes, bytesPerSec, etaSeconds, peers, from } = transfer
  const percent = sizeBytes === 0 ? 100 : Math.floor((haveBytes / sizeBytes) * 100)
  const eta = etaSeconds === null ? '-' : durationText(etaSeconds)
  const name = digest.slice(0, DIGEST_CHARS)
  return [
    name,
    state,
    `${percent}%`,
    sizeText(sizeBytes),
    rateText(bytesPerSec),
    eta,
    String(peers),
    partsText({ ...from }),
  ]
}
