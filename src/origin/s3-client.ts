import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { S3Client } from '@aws-sdk/client-s3'
import type { Logger } from '../base/log.ts'
import type { S3OriginSettings } from './config.ts'
import { s3Identity } from './s3-credentials.ts'
import type { Transport } from './transport.ts'

/** Together they take no longer than one question may. */
const MAX_ATTEMPTS = 3

/** An S3 client for reading ranges from AWS and from S3-compatible servers. Does no I/O yet. */
export function createS3Client(settings: S3OriginSettings, transport: Transport, logger: Logger): S3Client {
  const { connectTimeoutMs, headersTimeoutMs } = transport.options
  return new S3Client({
    region: settings.region,
    forcePathStyle: settings.forcePathStyle,
    // A bucket elsewhere says where; an access point is an ARN that names its own region.
    followRegionRedirects: true,
    useArnRegion: true,
    ...(settings.endpoint === null ? {} : { endpoint: settings.endpoint }),
    ...s3Identity(settings.credentials ?? null),
    retryMode: 'standard',
    maxAttempts: MAX_ATTEMPTS,
    // A checksum of the whole object cannot be checked on a range, and many S3-compatible servers send none.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      // Until the headers: the SDK clears it when it hands the body over, which has a stall watch of its own.
      requestTimeout: headersTimeoutMs / MAX_ATTEMPTS,
      throwOnRequestTimeout: true,
      httpAgent: new HttpAgent(transport.agentOptions()),
      httpsAgent: new HttpsAgent(transport.agentOptions()),
      logger: quiet(logger),
    },
    logger: quiet(logger),
  })
}

/** The SDK logs to the console unless told otherwise. */
function quiet(logger: Logger) {
  const warn = (text: unknown): void => logger.debug({ text: String(text) }, 's3 client')
  return { trace() {}, debug() {}, info() {}, warn, error: warn }
}
