import { randomBytes } from 'node:crypto'
import type { BlobReader, ReadRange } from '../blob/interface.ts'
import { MEDIA_TYPE } from '../oci/manifest.ts'
import type { BlobBody } from './answer.ts'
import { contentRange } from './byte-range.ts'

/** Several ranges of a blob in one body (RFC 9110, 14.6), and what the headers have to say of it. */
interface Multipart {
  readonly contentType: string
  readonly contentLength: number
  readonly body: BlobBody
}

/** `boundary`: what no part may contain; by default as random as a digest. */
export function multipart(
  reader: BlobReader,
  ranges: readonly ReadRange[],
  boundary = randomBytes(24).toString('hex'),
): Multipart {
  const parts = ranges.map((range) => {
    const head = `\r\n--${boundary}\r\nContent-Type: ${MEDIA_TYPE.octetStream}\r\nContent-Range: ${contentRange(range, reader.size)}\r\n\r\n`
    return { before: Buffer.from(head), range }
  })
  const after = Buffer.from(`\r\n--${boundary}--\r\n`)
  const contentLength = parts.reduce((sum, { before, range }) => sum + before.length + range.end - range.start, 0)
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    contentLength: contentLength + after.length,
    body: { reader, parts, after },
  }
}
