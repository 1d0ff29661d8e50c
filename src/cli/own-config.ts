import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { join } from 'node:path'

type Env = Readonly<Record<string, string | undefined>>

const SYSTEM_CONFIG = '/etc/shoal/agent.yaml'

/** The configuration file of this host's agent: SHOAL_CONFIG, or where packages put it, below `root`; undefined without one. */
export async function ownConfigFile(env: Env, root = '/'): Promise<string | undefined> {
  if (env.SHOAL_CONFIG !== undefined && env.SHOAL_CONFIG !== '') return env.SHOAL_CONFIG
  const file = join(root, SYSTEM_CONFIG)
  return access(file, constants.R_OK).then(
    () => file,
    () => undefined,
  )
}
