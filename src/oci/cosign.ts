import type { KeyObject } from 'node:crypto'
import { createPublicKey, verify } from 'node:crypto'
import { z } from 'zod'
import { errorText, ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'
import type { Digest } from './digest.ts'
import { digestHex } from './digest.ts'
import { digestSchema } from './schema.ts'

/*
 * Signatures of images as cosign keeps them beside an image (sigstore/cosign, specs/SIGNATURE_SPEC.md): a manifest under the tag
 * `sha256-<hex>.sig`, each layer of which is a payload that names the image's digest, with a signature over it in an annotation.
 */

const MEDIA_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json'
const ANNOTATION = 'dev.cosignproject.cosign/signature'
const PAYLOAD_TYPE = 'cosign container image signature'
/** Payloads are some 250 bytes, but for what a signer adds. */
const MAX_PAYLOAD_BYTES = 64 * 1024
/** Each costs a request of the origin. */
const MAX_SIGNATURES = 32
const MAX_SIGNATURE_CHARS = 1024
const CURVE = 'prime256v1'

const layerSchema = z.object({
  mediaType: z.literal(MEDIA_TYPE),
  digest: digestSchema,
  size: z.int().min(1).max(MAX_PAYLOAD_BYTES),
  annotations: z.object({ [ANNOTATION]: z.base64().max(MAX_SIGNATURE_CHARS) }),
})
const manifestSchema = z.object({ layers: z.array(z.unknown()) })

const payloadSchema = z.object({
  critical: z.object({
    type: z.literal(PAYLOAD_TYPE),
    image: z.object({ 'docker-manifest-digest': digestSchema }),
  }),
})

/** A signature as a manifest names it: its payload is a blob. */
interface ImageSignature {
  readonly payload: Digest
  readonly size: number
  readonly signature: Uint8Array
}

/** The tag that has the signatures of an image. */
export function signatureTag(digest: Digest): string {
  return `${digest.slice(0, digest.indexOf(':'))}-${digestHex(digest)}.sig`
}

/** What a manifest of signatures has, of the kind that is known here; none of any other manifest. */
export function readSignatures(manifest: Uint8Array): ImageSignature[] {
  const layers = manifestSchema.safeParse(parseJson(manifest)).data?.layers ?? []
  return layers.slice(0, MAX_SIGNATURES).flatMap((layer) => {
    const { data } = layerSchema.safeParse(layer)
    if (data === undefined) return []
    const signature = Buffer.from(data.annotations[ANNOTATION], 'base64')
    return [{ payload: data.digest, size: data.size, signature }]
  })
}

/** Which of `keys` has signed that an image is meant; undefined for none. `payload` is what the signature is over. */
export function signedBy<K extends { readonly key: KeyObject }>(
  keys: readonly K[],
  image: Digest,
  payload: Uint8Array,
  signature: Uint8Array,
): K | undefined {
  const said = payloadSchema.safeParse(parseJson(payload)).data?.critical.image['docker-manifest-digest']
  return said === image ? keys.find(({ key }) => verify('sha256', payload, key, signature)) : undefined
}

/** A key as `cosign generate-key-pair` writes its public half: ECDSA on P-256, in PEM. Throws `CONFIG_INVALID`. */
export function readSignatureKey(pem: string, file: string): KeyObject {
  let key: KeyObject
  try {
    key = createPublicKey(pem)
  } catch (cause) {
    throw new ShoalError('CONFIG_INVALID', `${file}: is no public key (${errorText(cause)})`, { cause })
  }
  if (key.asymmetricKeyDetails?.namedCurve === CURVE && !pem.includes('PRIVATE KEY')) return key
  throw new ShoalError('CONFIG_INVALID', `${file}: is no public key of cosign's kind (ECDSA P-256)`)
}
