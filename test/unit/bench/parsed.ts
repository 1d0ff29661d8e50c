import assert from 'node:assert/strict'
import type { Command } from 'commander'

/** What a benchmark's command line makes of `args`; throws what it says of wrong ones, and prints nothing. */
export async function parsedOptions<O>(
  commandOf: (run: (options: O) => Promise<void>) => Command,
  args: readonly string[],
): Promise<O> {
  let options: O | undefined
  const command = commandOf(async (said) => {
    options = said
  })
  await command
    .exitOverride()
    .configureOutput({ writeErr() {} })
    .parseAsync([...args], { from: 'user' })
  assert.ok(options !== undefined)
  return options
}
