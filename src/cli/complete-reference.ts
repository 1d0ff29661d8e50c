import { nodeStatusSchema } from '../admin/index.ts'
import { DOCKER_HUB, parseReference, wholeReferenceText } from '../oci/reference.ts'
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
  const { upstream, knows } = references.some(isBare)
    ? await readAs(client, signal)
    : { upstream: ONE, knows: undefined }
  const whole = references.map((text) => wholeReferenceText(parseReference(text, upstream, knows)))
  return [...new Set(whole)]
}

function isBare(text: string): boolean {
  return parseReference(text, ONE).upstream !== parseReference(text, OTHER).upstream
}

async function readAs(client: AdminClient, signal: AbortSignal) {
  const { defaultUpstream, upstreams } = await client.get('/api/v1/status', nodeStatusSchema, signal)
  const names = new Set(upstreams.map(({ name }) => name))
  return { upstream: defaultUpstream ?? DOCKER_HUB, knows: (word: string) => names.has(word) }
}
