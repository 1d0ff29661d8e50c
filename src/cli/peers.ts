import type { Command } from 'commander'
import type { PeerStatus } from '../admin/index.ts'
import { peersSchema } from '../admin/index.ts'
import type { CommandIo } from './command-io.ts'
import { listCommand } from './list-command.ts'
import { plainTable } from './plain-table.ts'
import { sizeText } from './quantity-text.ts'

/** `shoal peers`: the hosts that this one is linked to. */
export function createCommand(io: CommandIo): Command {
  return listCommand(io, {
    name: 'peers',
    summary: 'show the hosts that this one is linked to',
    description:
      'Shows every live link: whose, where, and what has moved over it. Caches come first, then the busiest.',
    examples: ['shoal peers', `shoal peers --json | jq '.[] | select(.role == "cache")'`],
    read: async (client, signal) => (await client.get('/api/v1/peers', peersSchema, signal)).peers,
    text: peersText,
  })
}

const HEAD = ['ADDRESS', 'ROLE', 'REGION', 'ZONE', 'RECEIVED', 'SENT', 'PEER']

function peersText(peers: readonly PeerStatus[]): string {
  if (peers.length === 0) return 'no peer is linked'
  const moved = ({ sentBytes, receivedBytes }: PeerStatus): number => sentBytes + receivedBytes
  const rank = ({ role }: PeerStatus): number => (role === 'cache' ? 0 : 1)
  const rows = peers
    .toSorted((a, b) => rank(a) - rank(b) || moved(b) - moved(a))
    .map(({ key, role, region, zone, addresses, sentBytes, receivedBytes }) => [
      addresses[0] ?? '-',
      role,
      region,
      zone ?? '-',
      sizeText(receivedBytes),
      sizeText(sentBytes),
      key,
    ])
  return plainTable(rows, HEAD)
}
