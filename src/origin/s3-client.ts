import { S3Client } from '@aws-sdk/client-s3'
import type { Logger } from '../base/log.ts'
import type { S3OriginSettings } from './config.ts'
import type { OriginOptions } from './options.ts'

/** An S3 client for reading ranges from AWS and from S3-compatible servers. Does no I/O yet. */
export function createS3Client(settings: S3OriginSettings, options: OriginOptions, logger: Logger): S3Client {
  const agent = { keepAlive: true, maxSockets: options.maxSockets }
  const { credentials } = settings
  return new S3Client({
    region: settings.region,
    forcePathStyle: settings.forcePathStyle,
    ...(settings.endpoint === null ? {} : { endpoint: settings.endpoint }),
    ...(credentials === null || credentials === undefined
      ? {}
      : {
          credentials: {
            accessKeyId: credentials.accessKeyId,
            secretAccessKey: credentials.secretAccessKey,
            ...(typeof credentials.sessionToken === 'string' ? { sessionToken: credentials.sessionToken } : {}),
          },
        }),
    retryMode: 'standard',
    maxAttempts: 3,
    // A checksum of the whole object cannot be checked on a range, and many S3-compatible servers send none.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: options.connectTimeoutMs,
      // Until the headers: the SDK clears it when it hands the body over, which has a stall watch of its own.
      requestTimeout: options.headersTimeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
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
