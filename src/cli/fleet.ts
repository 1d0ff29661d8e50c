import { Command } from 'commander'
import type { CommandIo } from './command-io.ts'
import { certifyCommand } from './fleet-certify.ts'
import { initCommand } from './fleet-init.ts'
import { revokeCommand } from './fleet-revoke.ts'
import { rotateCommand } from './fleet-rotate.ts'
import { showCommand } from './fleet-show.ts'

const HELP = `
An authority says who is a cache of which region, and who may act on the fleet, until a date. Its key stays aside, on no
host. A small fleet needs none of this: "shoal fleet-key" makes one key for all. See docs/fleet-credentials.md.

Examples:
  shoal fleet init corp                                          the authority and the members' key, in ./corp
  shoal fleet certify cache --authority corp/authority.pem --region eu-1 --out cache-1.pem
  shoal fleet certify operator --authority corp/authority.pem --name alice --out alice.pem
  shoal fleet revoke cache-1.pem --authority corp/authority.pem --list corp/revocations.crl
  shoal fleet rotate secret corp/member.key --step add --out corp/member-2.key
  shoal fleet show cache-1.pem
`

/** `shoal fleet`: the credentials of a fleet with an authority. */
export function createCommand(io: CommandIo): Command {
  const command = new Command('fleet')
    .summary("make, rotate and revoke a fleet's credentials")
    .description(
      'Makes what hosts and people prove who they are with. Files are for their owner only and never overwritten.',
    )
    .addHelpText('after', HELP)
  for (const make of [initCommand, certifyCommand, revokeCommand, rotateCommand, showCommand]) {
    command.addCommand(make(io))
  }
  return command
}
