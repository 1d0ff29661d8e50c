import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HARMS } from '../../support/harms.ts'
import type { SmallDisk } from '../../support/small-disk.ts'
import type { ChaosHost } from '../host.ts'
import type { Fault, Heal } from './fault.ts'
import { anyHost, nothing, oneOf } from './fault.ts'

/** Disks that have one of these now: two at a time would hang this process, which fills and remounts them itself. */
const harmed = new WeakSet<SmallDisk>()

/** A disk is put in a state that it is taken out of again; one at a time each. */
function state(
  fault: Omit<Fault, 'inject' | 'copies'>,
  enter: (host: ChaosHost) => Promise<void>,
  leave: (disk: SmallDisk) => void,
): Fault {
  return {
    ...fault,
    copies: 1,
    async inject(world, draw) {
      const host = anyHost(world, draw)
      const { disk } = host
      if (harmed.has(disk)) return undefined
      harmed.add(disk)
      await enter(host)
      return async () => {
        leave(disk)
        harmed.delete(disk)
      }
    },
  }
}

export const diskFull = state(
  { what: 'a disk is full', refuses: false },
  async ({ disk }) => disk.fill(),
  (disk) => disk.unfill(),
)
export const noInodes = state(
  { what: 'a disk has no inodes left', refuses: false },
  async ({ disk }) => disk.fillInodes(),
  (disk) => disk.unfill(),
)
/** A file system that is being written to cannot be made read-only, so its daemon is down for a moment. */
export const diskReadOnly = state(
  { what: 'a daemon comes back to a disk that is read-only, and is writable again while it runs', refuses: true },
  (host) => host.restart('SIGTERM', async () => host.disk.setReadOnly(true)),
  (disk) => disk.setReadOnly(false),
)
export const diskFrozen = state(
  { what: 'writes to a disk hang (fsfreeze)', refuses: true, freezes: true },
  async ({ disk }) => disk.freeze(),
  (disk) => disk.thaw(),
)

const flipBit = HARMS['one bit turned over']

async function filesBelow(host: ChaosHost, part: string): Promise<string[]> {
  const found = await readdir(join(host.agent.storeDir, part), { recursive: true, withFileTypes: true }).catch(() => [])
  return found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/** A bit turns over in a file of a running daemon, if it has one. */
function flipIn(what: string, part: string): Fault {
  return {
    what,
    copies: 1,
    refuses: false,
    async inject(world, draw) {
      // of those that have one
      const all = (await Promise.all(world.hosts.map((host) => filesBelow(host, part)))).flat()
      if (all.length === 0) return undefined
      // it may have gone meanwhile
      return flipBit(oneOf(all, draw)).then(
        () => nothing,
        () => undefined,
      )
    },
  }
}

export const flipBlob = flipIn('a bit of a stored blob turns over', 'blobs')
export const flipPartial = flipIn('a bit of a blob that is arriving turns over', 'partial')

export const flipIndex: Fault = {
  what: 'a bit of the index turns over while its daemon is down',
  copies: 1,
  refuses: true,
  async inject(world, draw): Promise<Heal> {
    const host = anyHost(world, draw)
    await host.restart('SIGKILL', async () => {
      const files = await filesBelow(host, 'level')
      if (files.length > 0) await flipBit(oneOf(files, (draw * world.hosts.length) % 1)).catch(() => {})
    })
    return nothing
  },
}

export const deleteBlobs: Fault = {
  what: 'all blobs of a running daemon are deleted',
  copies: 1,
  refuses: false,
  async inject(world, draw) {
    const files = await filesBelow(anyHost(world, draw), 'blobs')
    if (files.length === 0) return undefined
    for (const file of files) await rm(file, { force: true })
    return nothing
  },
}
