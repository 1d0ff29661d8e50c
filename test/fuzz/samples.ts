import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'

export function sampleDigest(text: string, algorithm = 'sha256'): Digest {
  return digestOf(Buffer.from(text), algorithm)
}
