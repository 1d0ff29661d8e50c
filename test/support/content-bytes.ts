import type { BuiltImage } from '../../src/demo/index.ts'

/** What the blobs of an image weigh, its manifest not counted. */
export function contentBytes({ config, layers }: BuiltImage): number {
  return layers.reduce((sum, { size }) => sum + size, config.size)
}
