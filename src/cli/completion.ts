import tab from '@bomb.sh/tab/commander'
import type { Command } from 'commander'

/** What a user runs once for the script of a shell, and what that script runs at each press of the key. */
export const COMPLETION_COMMANDS: ReadonlySet<string> = new Set(['completion', 'complete'])

/**
 * Adds `shoal completion <shell>`, which prints a script for bash, zsh or fish, and the hidden `shoal complete` that the
 * script asks. Only commands that are loaded complete their options.
 */
export function addCompletion(program: Command): Command {
  tab(program, { completionCommandName: 'completion' })
  program.commands.find((command) => command.name() === 'completion')?.summary('print the completion script of a shell')
  return program
}
