import type { KeyObject } from 'node:crypto'
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BuiltImage } from '../../src/demo/index.ts'
import { descriptor, writeBlob, writeJson } from '../../src/demo/index.ts'
import type { Digest } from '../../src/oci/digest.ts'

/** As `cosign generate-key-pair` makes one: ECDSA on P-256. */
export interface Signer {
  readonly privateKey: KeyObject
  /** PEM. */
  readonly publicKey: string
}

export function newSigner(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  return { privateKey, publicKey: publicKey.export({ type: 'spki', format: 'pem' }) }
}

/** Puts a signer's public key into a file. */
export async function writePublicKey(directory: string, name: string, { publicKey }: Signer): Promise<string> {
  const file = join(directory, name)
  await writeFile(file, publicKey)
  return file
}

/** What a signature is over (cosign's SIGNATURE_SPEC.md, "Payload"). */
export function payloadFor(image: Digest, reference = 'registry.test/team/app'): Buffer {
  const critical = {
    identity: { 'docker-reference': reference },
    image: { 'docker-manifest-digest': image },
    type: 'cosign container image signature',
  }
  return Buffer.from(JSON.stringify({ critical, optional: null }))
}

/** A manifest of signatures, as cosign pushes it under the image's signature tag; `payload`: default what is meant. */
export async function buildSignature(
  directory: string,
  image: Digest,
  signers: readonly Signer[],
  payload = payloadFor(image),
): Promise<BuiltImage> {
  await mkdir(directory, { recursive: true })
  const mediaType = 'application/vnd.dev.cosign.simplesigning.v1+json'
  const blob = await writeBlob(directory, mediaType, payload)
  const layers = signers.map(({ privateKey }) => {
    const signature = sign('sha256', payload, privateKey).toString('base64')
    return { ...descriptor(blob), annotations: { 'dev.cosignproject.cosign/signature': signature } }
  })
  const config = await writeJson(directory, 'application/vnd.oci.image.config.v1+json', { architecture: '', os: '' })
  const manifestType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = await writeJson(directory, manifestType, {
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptor(config),
    layers,
  })
  return { manifest, config, layers: [blob], sizeBytes: manifest.size + config.size + blob.size }
}
