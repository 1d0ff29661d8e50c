// The program behind WanRelay.
import type { Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { z } from 'zod'

const settings = z
  .strictObject({
    delayMs: z.number(),
    address: z.string(),
    routes: z.array(z.strictObject({ port: z.number(), to: z.strictObject({ host: z.string(), port: z.number() }) })),
  })
  .parse(JSON.parse(process.argv[2] ?? 'null'))

/** More than rate times delay of any thin link, so that the relay is not what limits it; bounded all the same. */
const MOST_QUEUED_BYTES = 4 * 1024 * 1024

/** Passes on what arrives, `delayMs` later, in order. */
function passDelayed(from: Socket, to: Socket): void {
  let queued = 0
  from.on('data', (chunk: Buffer) => {
    queued += chunk.length
    if (queued >= MOST_QUEUED_BYTES) from.pause()
    setTimeout(() => {
      if (to.destroyed) return
      to.write(chunk, () => {
        queued -= chunk.length
        if (queued < MOST_QUEUED_BYTES) from.resume()
      })
    }, settings.delayMs)
  })
  from.on('end', () => setTimeout(() => to.end(), settings.delayMs))
  from.on('error', () => to.destroy())
  from.on('close', () => setTimeout(() => to.destroySoon(), settings.delayMs))
}

for (const { port, to } of settings.routes) {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ ...to, allowHalfOpen: true, noDelay: true })
    passDelayed(near, far)
    passDelayed(far, near)
  })
  await new Promise<void>((resolve) => server.listen(port, settings.address, resolve))
}
process.stdout.write('listening\n')
process.once('SIGTERM', () => process.exit(0))
process.on('SIGINT', () => {})
