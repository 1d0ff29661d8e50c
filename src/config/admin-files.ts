import { join } from 'node:path'
import type { Config } from './resolve.ts'

/** Where a host's own users find its admin server, without being told its token. */
interface AdminFiles {
  readonly tokenFile: string
  /** Undefined = none. */
  readonly socket: string | undefined
}

/** The agent makes them here, and its commands look for them here. */
export function adminFiles({ admin, store }: Pick<Config, 'admin' | 'store'>): AdminFiles {
  const socket = admin.socket === 'auto' ? join(store.path, 'admin.sock') : (admin.socket ?? undefined)
  return { tokenFile: admin.tokenFile ?? join(store.path, 'admin.token'), socket }
}
