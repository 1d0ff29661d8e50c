import { join } from 'node:path'
import { run } from './run.ts'

/** Shells, by the name that `shoal completion` takes. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const

export function completionScript(tree: string, shell: (typeof SHELLS)[number]): string {
  return run(join(tree, 'bin/shoal'), ['completion', shell])
}
