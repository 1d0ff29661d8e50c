import type { MicroResult } from '../tasks.ts'
import { bitfieldResults } from './bitfields.ts'
import { choiceResults } from './choice.ts'
import { codecResults } from './codec.ts'
import { storeResults } from './store.ts'

/** What the daemon does per message, per piece and per decision, each by itself. */
export async function runMicro(directory: string): Promise<MicroResult[]> {
  return [...codecResults(), ...bitfieldResults(), ...choiceResults(), ...(await storeResults(directory))]
}
