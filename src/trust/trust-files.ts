import { readFile } from 'node:fs/promises'
import { errorText, ShoalError } from '../base/errors.ts'
import type { Authority } from './authorities.ts'
import { readAuthorities } from './authorities.ts'
import type { Credential } from './credential.ts'
import { loadCredential } from './credential.ts'
import type { FleetKey } from './fleet-key.ts'
import { LOOPBACK_KEY, parseFleetKeys } from './fleet-key.ts'

/** The files that say who a host is and whom it believes: `fleet` of the configuration, paths absolute. */
export interface TrustFiles {
  /** Null: the key that everybody has, for hosts that stay on loopback. */
  readonly keyFile: string | null
  readonly authorities: readonly string[]
  readonly credential: string | null
  /** Null: in the same file as the certificate. */
  readonly credentialKey: string | null
  readonly revocations: string | null
}

/** What is in them. */
export interface TrustContents {
  readonly keys: readonly FleetKey[]
  readonly authorities: readonly Authority[]
  readonly credential: Credential | undefined
  /** The list as it lies there, not yet checked. */
  readonly revocations: Uint8Array | string | undefined
}

/** Reads all of them. Throws `CONFIG_INVALID` naming the key, the file and what is wrong with it. */
export async function readTrustFiles(files: TrustFiles): Promise<TrustContents> {
  const { keyFile, authorities, credential, credentialKey, revocations } = files
  const anchors = await Promise.all(
    authorities.map((file) => within('fleet.authorities', file, async () => readAuthorities(await text(file)))),
  )
  return {
    keys:
      keyFile === null
        ? [LOOPBACK_KEY]
        : await within('fleet.keyFile', keyFile, async () => parseFleetKeys(await text(keyFile))),
    authorities: anchors.flat(),
    credential: credential === null ? undefined : await ownCredential(credential, credentialKey),
    revocations:
      revocations === null
        ? undefined
        : await within('fleet.revocations', revocations, async () => pemOrDer(await readFile(revocations))),
  }
}

async function ownCredential(certificate: string, key: string | null): Promise<Credential> {
  try {
    return await loadCredential({ certificate, key })
  } catch (cause) {
    throw new ShoalError('CONFIG_INVALID', `fleet.credential: ${errorText(cause)}`, { cause })
  }
}

function text(file: string): Promise<string> {
  return readFile(file, 'utf8')
}

function pemOrDer(bytes: Buffer): Uint8Array | string {
  const start = bytes.toString('latin1', 0, 200)
  return start.includes('-----BEGIN') ? bytes.toString('utf8') : new Uint8Array(bytes)
}

async function within<T>(key: string, file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    throw new ShoalError('CONFIG_INVALID', `${key}: ${file}: ${errorText(cause)}`, { cause })
  }
}
