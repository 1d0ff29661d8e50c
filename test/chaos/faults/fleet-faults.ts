import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { generateFleetKey } from '../../../src/trust/index.ts'
import type { Fault } from './fault.ts'
import { anyHost, nothing, oneOf } from './fault.ts'

const STEP_MS = 1_000

export const clonedIdentity: Fault = {
  what: 'a host gets the identity of another, as by a copied disk',
  copies: 1,
  refuses: true,
  async inject(world, draw) {
    const host = anyHost(world, draw)
    const other = oneOf(
      world.hosts.filter((one) => one !== host),
      (draw * world.hosts.length) % 1,
    )
    const identity = join(host.agent.storeDir, 'identity')
    const kept = join(world.directory, `${host.name}.identity`)
    await host.restart('SIGTERM', async () => {
      await copyFile(identity, kept)
      await copyFile(join(other.agent.storeDir, 'identity'), identity)
    })
    return () => host.restart('SIGTERM', () => copyFile(kept, identity))
  },
}

export const keyRotation: Fault = {
  what: "the fleet's key is replaced: added, made the first, the old one dropped",
  copies: 0,
  refuses: false,
  async inject(world) {
    const [before, after] = [world.key, generateFleetKey()]
    world.key = after
    for (const keys of [[before, after], [after, before], [after]]) {
      for (const host of world.hosts) {
        await host.writeKey(world.keyLines(host, keys))
        await host.reload()
      }
      await wait(STEP_MS)
    }
    return nothing
  },
}

export const tagMoved: Fault = {
  what: 'a tag moves to another image',
  copies: 0,
  refuses: false,
  async inject(world) {
    await world.moveTag()
    return nothing
  },
}

export const imageDeleted: Fault = {
  what: 'an image is deleted at the origin, and pushed again',
  copies: 1,
  refuses: true,
  async inject(world, draw) {
    const pushed = oneOf(world.pushed, draw)
    await world.origin.remove(pushed)
    return async () => {
      const image = pushed.images.at(-1)
      if (image !== undefined) await world.origin.push(pushed, image)
    }
  },
}
