import type { Fault } from './fault.ts'
import { anyHost, nothing } from './fault.ts'

export const kill: Fault = {
  what: 'a daemon is killed -9, and comes back',
  copies: 1,
  refuses: true,
  async inject(world, draw) {
    const host = anyHost(world, draw)
    await host.kill()
    return () => host.bringBack()
  },
}

export const stop: Fault = {
  what: 'a daemon stands still (SIGSTOP)',
  copies: 1,
  refuses: true,
  async inject(world, draw) {
    const host = anyHost(world, draw)
    await host.stop()
    return () => host.bringBack()
  },
}

export const restart: Fault = {
  what: 'a daemon is restarted in good order',
  copies: 1,
  refuses: true,
  async inject(world, draw) {
    await anyHost(world, draw).restart('SIGTERM')
    return nothing
  },
}

const STEP_MS = 86_400_000

function clockStep(what: string, byMs: number): Fault {
  return {
    what,
    copies: 0,
    refuses: false,
    async inject(world, draw) {
      const host = anyHost(world, draw)
      await host.setClock(byMs)
      return () => host.setClock(0)
    },
  }
}

export const clockAhead = clockStep('a clock goes a day ahead, and back', STEP_MS)
export const clockBack = clockStep('a clock goes back a day, and ahead again', -STEP_MS)
