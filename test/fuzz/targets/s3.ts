import { Readable } from 'node:stream'
import { S3Client } from '@aws-sdk/client-s3'
import fc from 'fast-check'
import { systemClock } from '../../../src/base/clock.ts'
import { S3Listing } from '../../../src/origin/s3-listing.ts'
import { near, words } from '../damage.ts'
import type { Target } from '../target.ts'

const PREFIX = 'docker/registry/v2/repositories/team/app/_manifests/tags/'
const FOLDER = `<CommonPrefixes><Prefix>${PREFIX}v1/</Prefix></CommonPrefixes>`
const LISTING = `<?xml version="1.0"?><ListBucketResult><Name>images</Name><IsTruncated>false</IsTruncated>${FOLDER}</ListBucketResult>`
const ERROR = '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>later</Message></Error>'
const STATUSES = [200, 200, 301, 400, 403, 404, 429, 503]
const WORDS = [
  '<',
  '>',
  '</',
  '/>',
  'ListBucketResult',
  'Error',
  'Code',
  '<![CDATA[',
  ']]>',
  '<!DOCTYPE x [',
  '&amp;',
  '&#0;',
]

/** A client of a bucket that gives this answer, whatever is asked. */
function clientOf(statusCode: number, body: Uint8Array): S3Client {
  const response = (): object => ({
    statusCode,
    headers: { 'content-type': 'application/xml' },
    body: Readable.from([body]),
  })
  return new S3Client({
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
    // the SDK looks at what a handler does, and its type wants all that a real one has
    requestHandler: { handle: async () => ({ response: response() }) } as never,
  })
}

/** The first byte says which status the answer has. */
export const s3Listings: Target = {
  what: "buckets' listings and errors (XML)",
  input: near(
    fc
      .tuple(fc.nat({ max: 255 }), fc.oneof(fc.constantFrom(LISTING, LISTING, ERROR, ''), words([...WORDS, FOLDER])))
      .map(([status, text]) => Uint8Array.of(status, ...Buffer.from(text))),
  ),
  refusals: ['ORIGIN_UNREACHABLE', 'ORIGIN_DENIED', 'ORIGIN_THROTTLED', 'ORIGIN_CHANGED'],
  async read(bytes) {
    const client = clientOf(STATUSES[(bytes[0] ?? 0) % STATUSES.length] ?? 200, bytes.subarray(1))
    try {
      const listing = new S3Listing(client, { bucket: 'images', label: 'bucket', clock: systemClock })
      return await listing.folders(PREFIX, { limit: 10, signal: new AbortController().signal })
    } finally {
      client.destroy()
    }
  },
}
