/** `host:port` of the mirror, as runtimes without URLs write it. */
export function mirrorHost(mirror: string): string {
  return new URL(mirror).host
}

/** A registry as the first component of a repository's name, which has no colon. */
export function registryInPath(registry: string): string {
  return registry.replace(/:(\d+)$/, '_$1')
}

/** How an image is pulled where no setting sends the runtime to the mirror. */
export function byName(registry: string, mirror: string): string {
  return `pull from ${registry} by the name ${mirrorHost(mirror)}/${registryInPath(registry)}/...`
}
