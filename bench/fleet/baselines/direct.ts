import { serverBound } from '../bounds.ts'
import type { ScenarioTimes } from '../scenarios/scenario.ts'
import type { Stage } from '../stage.ts'
import type { World } from '../world.ts'
import type { Baseline } from './baseline.ts'
import { pullAllFrom } from './baseline.ts'
import { registryInstalled, startRegistry } from './docker-registry.ts'

/** No mirror: every host takes the image from a registry at the origin. Bound: max(F/d_min, N*F/u_origin). */
export const direct: Baseline = {
  summary: 'every host straight from the origin',
  needs: 'docker-registry',
  installed: registryInstalled,
  async run(stage) {
    await using registry = await startRegistry(stage, stage.originHand, { root: stage.tree })
    const seconds = await pullAllFrom(stage, registry.url)
    const downloads = stage.rates.hosts(stage.hostHands.map(({ host }) => host))
    const bound = serverBound(stage.rates.origin, { bytes: stage.image.sizeBytes, downloads, uploads: [] })
    return { seconds, last: Math.max(...seconds), bound }
  },
}

/** What a scenario of pulls that all begin at once took, over the same pulls straight from the origin. */
export async function compareWithDirect(
  stage: Stage,
  { last }: ScenarioTimes,
  world?: World,
): Promise<Readonly<Record<string, number>>> {
  const { registry } = world ?? {}
  const directLast =
    registry === undefined ? (await direct.run(stage)).last : Math.max(...(await pullAllFrom(stage, registry)))
  return { directLast, overDirect: last / directLast }
}
