import { ShoalError } from '../base/errors.ts'

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/**
 * Parses `host:port` (`[::1]:7070` for IPv6). `localhost` becomes 127.0.0.1, so that there is one listener with one
 * life cycle. Throws `CONFIG_INVALID`.
 */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]+)):([0-9]{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || !(port <= 65535)) {
    throw new ShoalError('CONFIG_INVALID', `"${text}" is not a listen address: write host:port, as in 127.0.0.1:7070`)
  }
  return { host: host === 'localhost' ? '127.0.0.1' : host, port }
}
