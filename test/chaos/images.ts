import { join } from 'node:path'
import type { BuiltImage } from '../../src/demo/index.ts'
import { buildImage } from '../../src/demo/index.ts'

const KIB = 1024
/** One layer of many pieces, one of a few, one that is a piece by itself. */
const LAYER_SIZES = [4096 * KIB, 1536 * KIB, 200 * KIB]

/** Repositories of a run get an image each, one after another; what is left over are later images of the tag that moves. */
export const IMAGES = 14
const MOVES = 6

/** The images of all runs, made once. */
export interface Images {
  readonly apps: readonly BuiltImage[]
  readonly moved: readonly BuiltImage[]
}

export async function buildImages(directory: string): Promise<Images> {
  const build = (seed: number): Promise<BuiltImage> =>
    buildImage(join(directory, 'blobs'), { seed, layerSizes: LAYER_SIZES })
  const apps: BuiltImage[] = []
  const moved: BuiltImage[] = []
  while (apps.length < IMAGES) apps.push(await build(100 + apps.length))
  while (moved.length < MOVES) moved.push(await build(200 + moved.length))
  return { apps, moved }
}
