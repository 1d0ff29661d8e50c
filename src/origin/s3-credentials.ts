import { readFileSync } from 'node:fs'
import type { GetObjectRequest, S3ClientConfig } from '@aws-sdk/client-s3'
import { errorText, ShoalError } from '../base/errors.ts'
import type { S3Credentials, S3OriginSettings } from './config.ts'

/** The part of a client's configuration that says in whose name it asks. */
type S3Identity = Pick<S3ClientConfig, 'credentials' | 'profile' | 'signer'>

/** In whose name a bucket is asked: the SDK's own chain, nobody's, static keys, a profile, or a role taken on. */
export function s3Identity(credentials: S3Credentials | null): S3Identity {
  if (credentials === null) return {}
  if (credentials === 'anonymous') {
    // the client looks for keys before it asks its signer
    return { signer: { sign: async (request) => request }, credentials: { accessKeyId: '', secretAccessKey: '' } }
  }
  if ('accessKeyId' in credentials) {
    const { accessKeyId, secretAccessKey, sessionToken } = credentials
    return {
      credentials: { accessKeyId, secretAccessKey, ...(sessionToken == null ? {} : { sessionToken }) },
    }
  }
  if ('role' in credentials) return { credentials: roleCredentials(credentials.role, credentials.externalId) }
  return { profile: credentials.profile }
}

/** Loaded when a bucket is asked with a role: few are. */
function roleCredentials(
  role: string,
  externalId: string | null | undefined,
): NonNullable<S3ClientConfig['credentials']> {
  return async (identity) => {
    const { fromTemporaryCredentials } = await import('@aws-sdk/credential-providers')
    const params = {
      RoleArn: role,
      RoleSessionName: 'shoal',
      ...(externalId == null ? {} : { ExternalId: externalId }),
    }
    return fromTemporaryCredentials({ params })(identity)
  }
}

/** What every request for an object says beside its key. Throws `CONFIG_INVALID` for a key file that holds none. */
export function objectTerms({
  requesterPays,
  customerKeyFile,
}: Pick<S3OriginSettings, 'requesterPays' | 'customerKeyFile'>): Partial<GetObjectRequest> {
  return {
    ...(requesterPays === true ? { RequestPayer: 'requester' } : {}),
    ...(customerKeyFile == null
      ? {}
      : { SSECustomerAlgorithm: 'AES256', SSECustomerKey: customerKey(customerKeyFile) }),
  }
}

/** The key in base64, as the SDK takes it. */
function customerKey(file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new ShoalError('CONFIG_INVALID', `customerKeyFile: ${file} cannot be read: ${errorText(cause)}`, { cause })
  }
  if (Buffer.from(text, 'base64').length === 32) return text
  throw new ShoalError('CONFIG_INVALID', `customerKeyFile: ${file} must hold 32 bytes in base64 and nothing else`)
}
