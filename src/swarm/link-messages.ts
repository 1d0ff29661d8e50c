import { z } from 'zod'
import { MAX_REVOCATIONS_BYTES } from '../trust/index.ts'
import type { BodyOf } from './registry.ts'
import { defineMessages } from './registry.ts'
import { addresses, bytes, certificate, epochMs, exactBytes, fingerprint } from './wire-types.ts'

/** What two swarms say to each other: whoever owns them is told nothing of it. */
export const linkMessages = defineMessages('upkeep', {
  /** The sender can be dialled at these addresses from now on. */
  addresses: z.object({ addresses }),
  /** The sender's certificate as a cache (DER) is another one now; `proof` as in its introduction. */
  credential: z.object({ certificate, proof: exactBytes(64) }),
  /** What the authority of this fingerprint has revoked (DER), as of then (epoch ms). Proves itself. */
  revocations: z.object({ authority: fingerprint, issuedAtMs: epochMs, list: bytes(MAX_REVOCATIONS_BYTES) }),
})

export type LinkMessage<N extends keyof typeof linkMessages> = BodyOf<(typeof linkMessages)[N]>
