import type { Command } from 'commander'
import { transfersSchema } from '../admin/index.ts'
import type { CommandIo } from './command-io.ts'
import { listCommand } from './list-command.ts'
import { transfersText } from './transfers-text.ts'

/** `shoal transfers`: what is being pulled right now. */
export function createCommand(io: CommandIo): Command {
  return listCommand(io, {
    name: 'transfers',
    summary: 'show what is being pulled right now',
    description:
      'Shows every running transfer: how far it is, how fast, how long still, and where its bytes come from.',
    examples: ['shoal transfers', 'shoal transfers --watch', 'shoal transfers --json'],
    changes: true,
    read: async (client, signal) => (await client.get('/api/v1/transfers', transfersSchema, signal)).transfers,
    text: transfersText,
  })
}
