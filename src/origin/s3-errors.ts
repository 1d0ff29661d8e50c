import { S3ServiceException } from '@aws-sdk/client-s3'
import type { ErrorCode } from '../base/errors.ts'
import { errorText, ShoalError } from '../base/errors.ts'

const DENIED: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: 'the store does not know this access key; check the credentials',
  SignatureDoesNotMatch: 'the secret key does not fit the access key; check the credentials',
  ExpiredToken: 'the session token has expired; renew the credentials',
  ExpiredTokenException: 'the session token has expired; renew the credentials',
  InvalidToken: 'the session token is not valid; check the credentials',
  RequestTimeTooSkewed: "this host's clock is wrong; set the time",
  CredentialsProviderError: 'no credentials found; set them in the configuration, the environment or a role',
  CredentialsError: 'no credentials found; set them in the configuration, the environment or a role',
  TokenRefreshRequired: 'the session token has expired; renew the credentials',
  UnrecognizedClientException: 'the store does not know this access key; check the credentials',
  InvalidClientTokenId: 'the store does not know this access key; check the credentials',
  AccountProblem: "the account's owner has to act",
  AllAccessDisabled: "the bucket's owner has shut it",
  NotSignedUp: "the account's owner has to sign up for the service",
}

const UNREACHABLE: Readonly<Record<string, string>> = {
  NoSuchBucket: 'there is no such bucket; check its name and endpoint',
  PermanentRedirect: 'the bucket is in another region; set region',
  AuthorizationHeaderMalformed: 'the bucket is in another region; set region',
  IllegalLocationConstraintException: 'the bucket is in another region; set region',
  InvalidRegionName: 'there is no such region; set region',
  InvalidBucketName: 'this cannot be the name of a bucket; check bucket, and forcePathStyle',
  NoSuchAccessPoint: 'there is no such access point; check its ARN',
  InvalidAccessPointAliasError: 'there is no such access point; check its name',
  InvalidObjectState: 'the object is archived; restore it first',
}

const THROTTLED = [
  'SlowDown',
  'ServiceUnavailable',
  'TooManyRequests',
  'RequestLimitExceeded',
  'Throttling',
  'ThrottlingException',
  'BandwidthLimitExceeded',
]

/** What a failed S3 request comes down to, before it is known what was asked. */
type S3Failure =
  | { readonly kind: 'missing' | 'unmodified' | 'access denied' }
  | { readonly kind: 'error'; readonly error: ShoalError }

/** Sorts what the SDK threw. `place` names the bucket, for the message. */
export function sortS3Error(cause: unknown, place: string): S3Failure {
  const name = cause instanceof Error ? cause.name : ''
  const status = statusOf(cause)
  if (status === 304) return { kind: 'unmodified' }
  const error = (code: ErrorCode, text: string): S3Failure => ({
    kind: 'error',
    error: new ShoalError(code, `${place}: ${text}`, { cause, details: { s3: name, status } }),
  })
  if (DENIED[name] !== undefined) return error('ORIGIN_DENIED', DENIED[name])
  if (UNREACHABLE[name] !== undefined) return error('ORIGIN_UNREACHABLE', UNREACHABLE[name])
  // Only then the status: some stores answer 404 for a key that they do not know.
  if (name === 'NoSuchKey' || status === 404) return { kind: 'missing' }
  if (THROTTLED.includes(name) || status === 429 || status === 503) return error('ORIGIN_THROTTLED', 'asks for less')
  if (status === 416) return error('ORIGIN_CHANGED', 'the object is shorter than expected')
  if (status === 403) return { kind: 'access denied' }
  if (status === 401) return error('ORIGIN_DENIED', 'refuses these credentials')
  if (status === 400 && /encrypt/i.test(errorText(cause))) {
    return error('ORIGIN_DENIED', 'the objects are encrypted with a key of the customer; set customerKeyFile')
  }
  return error('ORIGIN_UNREACHABLE', status === undefined ? errorText(cause) || name : `answers ${status} ${name}`)
}

/** A response the SDK could not parse carries its metadata too, without being a service exception. */
function statusOf(cause: unknown): number | undefined {
  if (cause instanceof S3ServiceException) return cause.$metadata.httpStatusCode
  if (!(cause instanceof Error) || !('$metadata' in cause)) return undefined
  const metadata = cause.$metadata
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined
}
