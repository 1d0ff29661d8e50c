import { nodeStatusSchema } from '../admin/index.ts'
import { parseReference, referenceText } from '../oci/reference.ts'
import type { AdminClient } from './admin-client.ts'

/** Two registries that nobody means, to see whether a reference names one itself. */
const [ONE, OTHER] = ['one.invalid', 'other.invalid'] as const

/**
 * References with their registries, as what is signed must name them. What a name without one means is the agent's to
 * say; it is asked only when there is such a name. Throws `REFERENCE_INVALID` and what the client throws.
 */
export async function completeReferences(
  client: AdminClient,
  references: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const upstream = references.some(isBare) ? await defaultUpstream(client, signal) : ONE
  const whole = references.map((text) => referenceText(parseReference(text, upstream)))
  return [...new Set(whole)]
}

function isBare(text: string): boolean {
  return parseReference(text, ONE).upstream !== parseReference(text, OTHER).upstream
}

async function defaultUpstream(client: AdminClient, signal: AbortSignal): Promise<string> {
  const { defaultUpstream: named } = await client.get('/api/v1/status', nodeStatusSchema, signal)
  return named ?? 'docker.io'
}
