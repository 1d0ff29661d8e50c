// The program behind S3Origin: an S3 server on a local directory, the counting proxy in front of it and a control port
// for both, in one process. Prints one line of JSON with its addresses once it listens.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import S3rver from '@20minutes/s3rver'
import { z } from 'zod'
import { OriginProxy } from './origin-proxy.ts'
import { originFaultsSchema } from './origin-traffic.ts'

const settings = z
  .strictObject({ directory: z.string(), buckets: z.array(z.string()), address: z.string() })
  .parse(JSON.parse(process.argv[2] ?? 'null'))

const s3 = new S3rver({
  address: '127.0.0.1',
  port: 0,
  directory: settings.directory,
  silent: true,
  vhostBuckets: false,
  configureBuckets: settings.buckets.map((name) => ({ name })),
})
const { port } = await s3.run()
const proxy = await OriginProxy.listen(`http://127.0.0.1:${port}`, settings.address)

const control = createServer(async (request, response) => {
  const body: unknown = request.method === 'PUT' ? await json(request).catch(() => null) : undefined
  const faults = originFaultsSchema.safeParse(body)
  if (request.method === 'PUT' && !faults.success) return void response.writeHead(400).end()
  if (faults.success) proxy.setFaults(faults.data)
  if (request.method === 'DELETE') proxy.resetCounters()
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(proxy.counters()))
})
control.listen(0, '127.0.0.1', () => {
  const address = control.address() as AddressInfo
  process.stdout.write(`${JSON.stringify({ endpoint: proxy.url, control: `http://127.0.0.1:${address.port}` })}\n`)
})
process.once('SIGTERM', () => process.exit(0))
process.once('SIGINT', () => process.exit(0))
