import type { Command } from 'commander'
import type { BlobStatus } from '../admin/index.ts'
import { blobsSchema } from '../admin/index.ts'
import type { CommandIo } from './command-io.ts'
import { listCommand } from './list-command.ts'
import { plainTable } from './plain-table.ts'
import { sizeText } from './quantity-text.ts'

/** `shoal blobs`: what a host has stored. */
export function createCommand(io: CommandIo): Command {
  return listCommand(io, {
    name: 'blobs',
    summary: 'show what is stored',
    description: 'Shows every blob of the store, the last used first: the end of the list is what leaves next.',
    examples: ['shoal blobs', "shoal blobs --json | jq 'map(select(.pinned))'"],
    read: async (client, signal) => (await client.get('/api/v1/blobs', blobsSchema, signal)).blobs,
    text: blobsText,
  })
}

const HEAD = ['DIGEST', 'SIZE', 'STORED', 'LAST USED', 'PINNED UNTIL']

function blobsText(blobs: readonly BlobStatus[]): string {
  if (blobs.length === 0) return 'nothing is stored'
  const rows = blobs
    .toSorted((a, b) => b.lastUsedEpochMs - a.lastUsedEpochMs)
    .map(({ digest, sizeBytes, storedBytes, state, lastUsedEpochMs, pinned, pinnedUntilEpochMs }) => [
      digest,
      sizeText(sizeBytes),
      state === 'complete' ? 'whole' : sizeText(storedBytes),
      timeText(lastUsedEpochMs),
      pinned ? (pinnedUntilEpochMs === null ? 'unpinned' : timeText(pinnedUntilEpochMs)) : '-',
    ])
  return plainTable(rows, HEAD)
}

function timeText(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(0, 19).replace('T', ' ')
}
