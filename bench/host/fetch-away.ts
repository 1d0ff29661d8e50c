import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, get } from 'node:http'
import type { Fetched } from './tasks.ts'

const agent = new Agent({ keepAlive: true })

/** Pulls a body like a runtime, over a kept connection, and throws it away. */
export async function fetchAway(url: string): Promise<Fetched> {
  const startMs = performance.now()
  const request = get(url, { agent })
  // `once` rejects when the request fails; its event carries just this
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let [bytes, firstByteMs] = [0, Number.NaN]
  response.on('data', (chunk: Buffer) => {
    if (bytes === 0) firstByteMs = performance.now() - startMs
    bytes += chunk.length
  })
  await once(response, 'end')
  const source = response.headers['x-shoal-source']
  return {
    status: response.statusCode ?? 0,
    bytes,
    seconds: (performance.now() - startMs) / 1000,
    firstByteMs: bytes === 0 ? performance.now() - startMs : firstByteMs,
    source: typeof source === 'string' ? source : '',
  }
}
