import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { ociError } from './oci-error.ts'

/**
 * Answers what Node's parser could not read as HTTP: a header section above the limit (a huge URL counts), an unknown
 * method, garbage. There is no response object then, so the few bytes are written here; the connection ends with them.
 * Returns the status.
 */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): number {
  const status = statusOf(error.code)
  const answer = ociError(status, 'UNSUPPORTED', 'not a request this mirror can read')
  const headers = Object.entries({ ...answer.headers, Connection: 'close' }).map(([name, value]) => `${name}: ${value}`)
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...headers].join('\r\n')
  socket.write(`${head}\r\n\r\n`)
  if (!('reader' in answer.body)) socket.write(answer.body)
  socket.destroySoon()
  return status
}

function statusOf(code: string | undefined): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 431
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
}
