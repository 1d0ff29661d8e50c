import { rm } from 'node:fs/promises'
import { LEAST_OPEN_FILES } from '../../../src/base/open-files.ts'
import { CLOCK_OPTION } from '../host.ts'
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

export const rollingRestart: Fault = {
  what: 'all daemons are restarted in good order, one after another',
  copies: 2,
  refuses: true,
  async inject(world) {
    for (const host of world.hosts) await host.restart('SIGTERM')
    return nothing
  },
}

/** As a host that was never upgraded: the store is of that release too. */
export const oldVersion: Fault = {
  what: 'a host runs the release before this one, and is upgraded',
  copies: 2,
  refuses: true,
  async inject(world, draw) {
    const host = anyHost(world, draw)
    const program = await world.previousRelease()
    await host.restart('SIGTERM', async () => {
      await rm(host.agent.storeDir, { recursive: true, force: true })
      host.runs(program)
    })
    return () => host.restart('SIGTERM', async () => host.runs())
  },
}

/** A daemon is restarted with less of something, put before its command line, and gets it back by another restart. */
function restartedWith(what: string, prefix: readonly string[]): Fault {
  return {
    what,
    copies: 1,
    refuses: true,
    async inject(world, draw) {
      const host = anyHost(world, draw)
      await host.restart('SIGTERM', async () => host.setPrefix(prefix))
      return () => host.restart('SIGTERM', async () => host.setPrefix([]))
    },
  }
}

const HEAP_MIB = 64

export const fewFiles = restartedWith(`a daemon may have ${LEAST_OPEN_FILES} files open`, [
  'prlimit',
  `--nofile=${LEAST_OPEN_FILES}:${LEAST_OPEN_FILES}`,
])
export const littleMemory = restartedWith(`a daemon has a heap of ${HEAP_MIB} MiB`, [
  'env',
  `NODE_OPTIONS=${CLOCK_OPTION} --max-old-space-size=${HEAP_MIB}`,
])

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
