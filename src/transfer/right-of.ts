import type { TransferRef } from './transfer.ts'

/** In whose name content is asked for, as one text: who may have it is judged for each. */
export function rightOf({ upstream, repository, digest, authorization }: TransferRef): string {
  return JSON.stringify([upstream, repository, digest, authorization])
}
