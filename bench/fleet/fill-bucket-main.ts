// Puts a directory tree into the origin's bucket from inside the origin's namespace.
import { z } from 'zod'
import { copyTreeToBucket, originClient } from '../../src/demo/index.ts'

const { endpoint, bucket, root } = z
  .strictObject({ endpoint: z.string(), bucket: z.string(), root: z.string() })
  .parse(JSON.parse(process.argv[2] ?? 'null'))

await copyTreeToBucket(originClient(endpoint), { root, bucket })
process.exit(0)
