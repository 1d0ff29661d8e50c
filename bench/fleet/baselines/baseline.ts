import { raceAbort } from '../../../src/base/abort.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { sharedNowMs } from '../hand-tasks.ts'
import type { ScenarioTimes } from '../scenarios/scenario.ts'
import type { Stage } from '../stage.ts'
import { REPOSITORY, TAG } from '../stage.ts'

/** Another way to bring the same image to the same hosts over the same links. */
export interface Baseline {
  readonly summary: string
  /** The Debian package it runs on; the baseline is left out where that is not installed. */
  readonly needs: string
  installed(): Promise<boolean>
  run(stage: Stage): Promise<ScenarioTimes>
}

/** All hosts pull from `server` (a registry's URL) at once, each with the client that the scenarios use. */
export async function pullAllFrom(stage: Stage, server: string): Promise<readonly number[]> {
  const startedAtMs = sharedNowMs()
  const { image, signal } = stage
  const pulls = stage.hostHands.map(async (hand) => {
    const { endedAtMs, manifest } = await hand.pull(server, `${REPOSITORY}:${TAG}`)
    if (manifest !== image.manifest.digest) throw new ShoalError('CONTENT_CORRUPT', `${hand.host.name} got ${manifest}`)
    return (endedAtMs - startedAtMs) / 1000
  })
  return raceAbort(Promise.all(pulls), signal)
}
