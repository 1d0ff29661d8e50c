import type { AdminServerDeps, MetricsText } from '../admin/index.ts'
import { AdminServer, ownToken, readTokenFile } from '../admin/index.ts'
import type { Logger } from '../base/log.ts'
import type { Config } from '../config/index.ts'
import { adminFiles } from '../config/index.ts'

/** Starts the admin server as the configuration has it. Throws `CONFIG_INVALID`. */
export async function startAdmin(
  config: Config,
  sources: Omit<AdminServerDeps, 'metrics' | 'logger'>,
  { logger, registry }: { readonly logger: Logger; readonly registry: MetricsText },
): Promise<AdminServer> {
  const log = logger.child({ component: 'admin' })
  const { tokenFile: named, listen, socket } = config.admin
  const files = adminFiles(config)
  const own = named === null ? await ownToken(files.tokenFile) : undefined
  if (own?.isKept === false) {
    log.warn(
      { file: files.tokenFile, problem: own.problem },
      'the admin token cannot be kept: only the socket lets users in',
    )
  }
  return AdminServer.start(
    { ...sources, metrics: registry, logger: log },
    {
      listen,
      token: own?.token ?? (await readTokenFile(files.tokenFile)),
      tokenFile: files.tokenFile,
      isClosed: named !== null,
      socket: files.socket,
      needsSocket: socket !== 'auto',
    },
  )
}
