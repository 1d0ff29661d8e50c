import type { UpstreamConfig } from '../../src/config/index.ts'
import type { BuiltImage, ImageSpec } from '../../src/demo/index.ts'
import type { NodeFleet } from './node-fleet.ts'
import { directoryUpstream } from './node-fleet.ts'

interface PushedSpec extends Omit<Partial<ImageSpec>, 'seed'> {
  readonly repository: string
}

export interface TwoImages {
  readonly images: readonly [BuiltImage, BuiltImage]
  readonly upstreams: readonly [UpstreamConfig]
}

/** One upstream that has two images with nothing in common, each tagged `1` in its repository. */
export async function twoImages(
  fleet: NodeFleet,
  upstream: string,
  first: PushedSpec,
  second: PushedSpec,
): Promise<TwoImages> {
  const push = async ({ repository, ...spec }: PushedSpec, seed: number) => {
    const image = await fleet.image({ ...spec, seed })
    return { image, path: await fleet.push('origin', repository, '1', image) }
  }
  const [one, { image, path }] = [await push(first, 1), await push(second, 2)]
  return { images: [one.image, image], upstreams: [directoryUpstream(upstream, path)] }
}
