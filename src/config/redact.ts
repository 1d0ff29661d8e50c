import type { OriginSettings } from '../origin/index.ts'
import type { Config } from './config.ts'

const HIDDEN = '(hidden)'

/** The configuration without its secrets, for logs and status pages. Paths of secret files stay: they help. */
export function redact(config: Config): Config {
  return {
    ...config,
    upstreams: config.upstreams.map((upstream) => ({ ...upstream, origins: upstream.origins.map(redactOrigin) })),
  }
}

function redactOrigin(origin: OriginSettings): OriginSettings {
  if (origin.kind === 'directory' || !origin.credentials) return origin
  if (origin.kind === 's3') {
    const sessionToken = origin.credentials.sessionToken ? HIDDEN : null
    return { ...origin, credentials: { ...origin.credentials, secretAccessKey: HIDDEN, sessionToken } }
  }
  const { password } = origin.credentials
  return password === undefined ? origin : { ...origin, credentials: { ...origin.credentials, password: HIDDEN } }
}
