import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { ShoalError } from '../base/errors.ts'

// Below the range that outgoing connections take theirs from, so that none of them grabs a port between pick and use.
const FIRST = 20_000
const COUNT = 12_000

/** Hands out loopback TCP ports that nobody listens on; never one twice. */
export class FreePorts {
  #next: number

  constructor() {
    // Processes that run at the same time start far apart.
    this.#next = (process.pid * 97 + randomInt(97)) % COUNT
  }

  async take(): Promise<number> {
    for (let tries = 0; tries < COUNT; tries++) {
      const port = FIRST + this.#next
      this.#next = (this.#next + 1) % COUNT
      if (await isFree(port)) return port
    }
    throw new ShoalError('UNAVAILABLE', 'no free port on the loopback interface')
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
