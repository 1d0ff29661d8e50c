import type { RuntimeVersion } from './interface.ts'

/**
 * The version in what a program says of itself (`Docker version 20.10.24+dfsg1, build 297e128`,
 * `containerd github.com/containerd/containerd/v2 v2.1.4 75cb2b7`); undefined when there is none.
 */
export function parseVersion(text: string): RuntimeVersion | undefined {
  const match = /(?<![\w.])v?(\d{1,4})\.(\d{1,4})(?:[.+~-]|\b)/.exec(text)
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) }
}

export function isAtLeast(version: RuntimeVersion, major: number, minor = 0): boolean {
  return version.major > major || (version.major === major && version.minor >= minor)
}

export function versionText({ major, minor }: RuntimeVersion): string {
  return `${major}.${minor}`
}
