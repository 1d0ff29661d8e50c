// A misbehaving server in front of another one, from inside a host's namespace.
import { z } from 'zod'
import { OriginProxy } from '../../src/demo/index.ts'
import { originFaultsSchema } from '../../src/demo/origin-traffic.ts'

const { target, address, faults } = z
  .strictObject({ target: z.string(), address: z.string(), faults: originFaultsSchema })
  .parse(JSON.parse(process.argv[2] ?? 'null'))

const front = await OriginProxy.listen(target, address)
front.setFaults(faults)
process.stdout.write(`${JSON.stringify({ url: front.url })}\n`)
