import type { OriginSettings, S3Credentials } from '../origin/index.ts'
import type { Config } from './resolve.ts'

const HIDDEN = '(hidden)'

/** The configuration without its secrets, for logs and status pages. Paths of secret files stay: they help. */
export function redact(config: Config): Config {
  return {
    ...config,
    upstreams: config.upstreams.map((upstream) => ({ ...upstream, origins: upstream.origins.map(redactOrigin) })),
  }
}

function redactOrigin(origin: OriginSettings): OriginSettings {
  switch (origin.kind) {
    case 'directory':
    case 'layout':
      return origin
    case 's3':
      return { ...origin, proxy: redactProxy(origin.proxy), credentials: redactS3(origin.credentials) }
    case 'registry': {
      const { credentials } = origin
      const hidden = credentials?.password === undefined ? credentials : { ...credentials, password: HIDDEN }
      return { ...origin, proxy: redactProxy(origin.proxy), credentials: hidden }
    }
  }
}

function redactS3(credentials: S3Credentials | null | undefined): S3Credentials | null | undefined {
  if (!credentials || credentials === 'anonymous' || !('accessKeyId' in credentials)) return credentials
  return { ...credentials, secretAccessKey: HIDDEN, sessionToken: credentials.sessionToken ? HIDDEN : null }
}

/** A proxy's URL may carry a password. */
function redactProxy(proxy: string | null | undefined): string | null | undefined {
  const url = proxy ? URL.parse(proxy) : null
  if (url === null) return proxy
  if (url.password !== '') url.password = HIDDEN
  return url.href
}
