import { join } from 'node:path'
import type { BuiltIndex, Fleet } from '../../src/demo/index.ts'
import { buildImage } from '../../src/demo/index.ts'
import { buildIndex } from './build-index.ts'
import { busybox } from './runtime-test.ts'

/** Puts an index into a fleet's bucket: an image of this machine's platform that says `word`, and one of another. */
export async function pushIndex(fleet: Fleet, directory: string, name: string, word: string): Promise<BuiltIndex> {
  const built = join(directory, 'index')
  const foreign = { os: 'linux', architecture: 's390x' }
  const images = [
    await buildImage(built, { sizeBytes: 8 * 1024 * 1024, seed: 11, program: busybox(word) }),
    await buildImage(built, { sizeBytes: 8 * 1024 * 1024, seed: 12, platform: foreign }),
  ]
  const index = await buildIndex(built, images)
  await fleet.pushBuilt(index, name, directory)
  return index
}
