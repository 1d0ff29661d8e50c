import { planBuildkit } from './buildkit.ts'
import { planContainerd } from './containerd.ts'
import { planContainers } from './containers.ts'
import { planDocker } from './docker.ts'
import type { FileView, SetupGoal, SetupPlan, SetupRuntime } from './interface.ts'
import { planNerdctl } from './nerdctl.ts'

type Planner = (goal: SetupGoal, view: FileView) => SetupPlan

const PLANNERS: Readonly<Record<SetupRuntime, Planner>> = {
  docker: planDocker,
  containerd: planContainerd,
  podman: (goal, view) => planContainers(goal, view, 'nothing'),
  crio: (goal, view) => planContainers(goal, view, 'reload'),
  buildkit: planBuildkit,
  nerdctl: planNerdctl,
}

/** The service that has to take up a changed file; null for what reads its files on each pull. */
export const SERVICES: Readonly<Record<SetupRuntime, string | null>> = {
  docker: 'docker',
  containerd: 'containerd',
  podman: null,
  crio: 'crio',
  buildkit: 'buildkit',
  nerdctl: null,
}

/**
 * What a runtime's files have to say for its pulls to go to the mirror first and to the registry second. Pure: decides
 * by the goal and the files alone. Throws `SETUP_REFUSED` where a file cannot be changed without a human, and
 * `CONFIG_INVALID` for a file that cannot be read and for a version that has to be known and is not.
 */
export function planSetup(goal: SetupGoal, view: FileView): SetupPlan {
  return PLANNERS[goal.runtime](goal, view)
}
