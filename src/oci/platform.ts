import { ShoalError } from '../base/errors.ts'
import type { Platform } from './manifest.ts'

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

/**
 * What OCI calls a machine of Node's architecture `arch`; containers are Linux ones wherever the client runs. Without a
 * variant, which fits images that name any.
 */
export function platformOf(arch: string): Platform {
  return { os: 'linux', architecture: { x64: 'amd64', ia32: '386' }[arch] ?? arch }
}
