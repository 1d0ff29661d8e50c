import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { BuiltImage, OriginFaults } from '../../src/demo/index.ts'
import { S3Origin, tagKey, writeToBucketTree } from '../../src/demo/index.ts'
import { originCountersSchema } from '../../src/demo/origin-traffic.ts'
import type { Hand } from './hand.ts'
import { InTurn } from './in-turn.ts'
import type { OriginKind } from './names.ts'

export interface PushName {
  readonly repository: string
  readonly tag: string
}

/** Where the fleet's content comes from in the end; it misbehaves as it is told. */
export interface ChaosOrigin extends AsyncDisposable {
  /** An entry of a daemon's `upstreams[].origins`. */
  readonly config: Readonly<Record<string, unknown>>
  push(name: PushName, image: BuiltImage): Promise<void>
  /** Takes a tag away; its image's blobs may stay, as in a registry before it collects garbage. */
  remove(name: PushName): Promise<void>
  /** `{}` heals. */
  setFaults(faults: OriginFaults): Promise<void>
  /** Bytes of blobs that left it so far; undefined where nobody counts. */
  sentBytes(): Promise<number | undefined>
}

/** Opens one: what it keeps is below `directory`, and it runs where the hand is. */
export const OPEN_ORIGIN: Readonly<Record<OriginKind, (hand: Hand, directory: string) => Promise<ChaosOrigin>>> = {
  registry: async (hand, directory) => {
    const root = join(directory, 'registry')
    await mkdir(root)
    const url = await hand.do({ do: 'registry', root, address: hand.host.address }, z.string())
    return {
      config: { kind: 'registry', url },
      push: (name, image) => writeToBucketTree(root, name, image),
      remove: (name) => removeTag(root, name),
      setFaults: (faults) => hand.tell({ do: 'registry-faults', faults }),
      sentBytes: async () => (await hand.do({ do: 'registry-counters' }, originCountersSchema)).byKind.blob.bytes,
      [Symbol.asyncDispose]: async () => {},
    }
  },
  s3: async (hand, directory) => {
    const origin = await S3Origin.start('images', hand.place, directory)
    return {
      config: origin.agentConfig(),
      async push(name, image) {
        const root = await mkdtemp(join(directory, 'tree-'))
        await writeToBucketTree(root, name, image)
        await hand.tell({ do: 'fill-bucket', endpoint: origin.endpoint, bucket: origin.bucket, root })
        await rm(root, { recursive: true })
      },
      async remove({ repository, tag }) {
        const { endpoint, bucket } = origin
        await hand.tell({ do: 'empty-bucket', endpoint, bucket, keys: [tagKey(repository, tag)] })
      },
      setFaults: async (faults) => void (await origin.setFaults(faults)),
      sentBytes: async () => (await origin.counters()).byKind.blob.bytes,
      [Symbol.asyncDispose]: () => origin[Symbol.asyncDispose](),
    }
  },
  directory: async (_hand, directory) => {
    const root = join(directory, 'tree')
    const away = `${root}.away`
    await mkdir(root)
    let isAway = false
    const turns = new InTurn()
    return {
      config: { kind: 'directory', path: root },
      push: (name, image) => turns.run(() => writeToBucketTree(isAway ? away : root, name, image)),
      remove: (name) => turns.run(() => removeTag(isAway ? away : root, name)),
      // a mount that is not there is all that can be wrong with it
      setFaults: (faults) =>
        turns.run(async () => {
          const goes = Object.keys(faults).length > 0
          if (goes !== isAway) await (goes ? rename(root, away) : rename(away, root))
          isAway = goes
        }),
      sentBytes: async () => undefined,
      [Symbol.asyncDispose]: async () => {},
    }
  },
}

async function removeTag(root: string, { repository, tag }: PushName): Promise<void> {
  await rm(join(root, tagKey(repository, tag)), { force: true })
}
