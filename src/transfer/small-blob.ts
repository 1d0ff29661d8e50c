import { ShoalError } from '../base/errors.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'
import { digestOf } from '../oci/digest.ts'
import type { OriginChain } from '../origin/index.ts'
import { Allowance } from './allowance.ts'
import type { TransferRef } from './transfer.ts'

/**
 * A blob of at most one piece, whole, from the origin, proven by its digest. An origin that serves wrong bytes is left
 * out and the next one asked. Undefined when no origin has it. Throws `CONTENT_CORRUPT` when all that have it lie.
 */
export async function fetchSmall(
  chain: OriginChain,
  ref: TransferRef,
  size: number,
  limits: readonly RateLimiter[],
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const { repository, digest, authorization } = ref
  // each once, and one more time where all have been wrong
  for (let attempt = 0; attempt <= chain.labels.length; attempt++) {
    const used = new Set<string>()
    using allowance = new Allowance(() => limits)
    await allowance.ahead(size, signal)
    const range = { start: 0, end: size }
    const onSource = (label: string): void => void used.add(label)
    const chunks = await chain.readBlob({
      repository,
      digest,
      authorization,
      range,
      size,
      signal,
      onSource,
      patient: true,
    })
    if (chunks === undefined) return undefined
    const bytes = new Uint8Array(size)
    let filled = 0
    for await (const chunk of chunks) {
      await allowance.came(chunk.length, signal)
      bytes.set(chunk, filled)
      filled += chunk.length
    }
    if (digestOf(bytes, digest) === digest) return bytes
    for (const label of used) chain.distrust(label, digest)
  }
  throw new ShoalError('CONTENT_CORRUPT', `every origin of ${ref.upstream} serves wrong bytes for ${digest}`)
}
