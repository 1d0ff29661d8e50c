import { ShoalError } from '../base/errors.ts'
import type { Platform } from '../oci/manifest.ts'
import type { TagOrDigest } from '../oci/reference.ts'
import { looksLikeHost, parseReference, tagOrDigestText } from '../oci/reference.ts'

/** What to pull. Without an upstream the mirror searches the ones it is configured to. */
export interface PullTarget {
  readonly upstream: string | undefined
  readonly repository: string
  readonly target: TagOrDigest
}

/** Reads `[host/]repository[:tag][@digest]`. Throws `REFERENCE_INVALID`. */
export function parsePullTarget(text: string): PullTarget {
  const { upstream, repository, target } = parseReference(text, 'local')
  const named = text.includes('/') && looksLikeHost(text.slice(0, text.indexOf('/')))
  return { upstream: named ? upstream : undefined, repository, target }
}

export function pullTargetText({ upstream, repository, target }: PullTarget): string {
  const host = upstream === undefined ? '' : `${upstream}/`
  return `${host}${repository}${target.kind === 'tag' ? ':' : '@'}${tagOrDigestText(target)}`
}

/** Reads `os/architecture[/variant]`. Throws `CONFIG_INVALID`. */
export function parsePlatform(text: string): Platform {
  const [os = '', architecture = '', variant, ...rest] = text.split('/')
  if (os === '' || architecture === '' || variant === '' || rest.length > 0) {
    throw new ShoalError(
      'CONFIG_INVALID',
      `"${text}" is no platform: write os/architecture[/variant], as in linux/arm64/v8`,
    )
  }
  return variant === undefined ? { os, architecture } : { os, architecture, variant }
}

export function platformText({ os, architecture, variant }: Platform): string {
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`
}

/** This machine as OCI names it; containers are Linux ones wherever the client runs. */
export function hostPlatform(): Platform {
  const architecture = { x64: 'amd64', ia32: '386' }[process.arch as string] ?? process.arch
  return architecture === 'arm64' ? { os: 'linux', architecture, variant: 'v8' } : { os: 'linux', architecture }
}
