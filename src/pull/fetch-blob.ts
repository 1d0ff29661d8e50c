import { ShoalError } from '../base/errors.ts'
import { digestHasher } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'
import type { MirrorClient } from './mirror-client.ts'
import { causeText, PassingFailure } from './mirror-client.ts'
import { withRetries } from './retry.ts'

/** Where verified-on-arrival bytes go, in order. */
export type BlobSink = (chunk: Uint8Array) => Promise<void>

interface FetchedBlob {
  /** What the mirror said of the first bytes: X-Shoal-Source. */
  readonly source: string | undefined
}

/**
 * Streams one blob into `sink`, counting and hashing. A body that is cut short is continued by Range. Throws
 * `CONTENT_CORRUPT` when size or digest are not the descriptor's (what `sink` got must then be thrown away).
 */
export async function fetchBlob(
  client: MirrorClient,
  { digest, size }: Descriptor,
  sink: BlobSink,
  { signal, attempts }: { readonly signal: AbortSignal; readonly attempts?: number | undefined },
): Promise<FetchedBlob> {
  const hash = digestHasher(digest)
  let received = 0
  let source: string | undefined
  await withRetries(
    async () => {
      const opened = await client.blob(digest, size, received, signal)
      source ??= opened.source
      let position = opened.start
      try {
        for await (const chunk of opened.body) {
          // A mirror without ranges starts over: what is here already is skipped.
          const fresh = chunk.subarray(Math.min(chunk.length, Math.max(0, received - position)))
          position += chunk.length
          if (received + fresh.length > size) throw tooLong(digest, size)
          hash.update(fresh)
          received += fresh.length
          if (fresh.length > 0) await sink(fresh)
        }
      } catch (cause) {
        signal.throwIfAborted()
        if (cause instanceof ShoalError) throw cause
        if (received < size) throw cut(digest, received, size, cause)
      }
      if (received < size) throw cut(digest, received, size, undefined)
    },
    signal,
    attempts,
  )
  const actual = `${digest.slice(0, digest.indexOf(':'))}:${hash.digest('hex')}`
  if (actual !== digest) throw new ShoalError('CONTENT_CORRUPT', `${digest} came with other content (${actual})`)
  return { source }
}

function tooLong(digest: string, size: number): ShoalError {
  return new ShoalError('CONTENT_CORRUPT', `the mirror sends more than the ${size} bytes of ${digest}`)
}

function cut(digest: string, received: number, size: number, cause: unknown): PassingFailure {
  const why = cause === undefined ? 'the body ended' : causeText(cause)
  return new PassingFailure(`${digest} stopped after ${received} of ${size} bytes (${why})`, { cause })
}
