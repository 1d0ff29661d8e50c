import type { HostPort } from './address.ts'
import { formatHostPort, isLoopbackHost, parseHostPort } from './address.ts'

/**
 * What a peer says of where it can be dialled, and where it was seen to come from (`remote`), in one list: the address it
 * came from first if it is among them. One that names only its own loopback is taken at the address it came from, with the
 * port it names.
 */
export function peerAddresses(announced: readonly string[], remote: string | undefined): readonly string[] {
  if (remote === undefined || isLoopbackHost(remote)) return announced
  const places = announced.map(parseHostPort).filter((place) => place !== undefined)
  const first = places[0]
  if (first !== undefined && places.every(({ host }) => isLoopbackHost(host))) {
    return [formatHostPort({ host: remote, port: first.port })]
  }
  const isSeen = ({ host }: HostPort): boolean => host === remote
  return [...places.filter(isSeen), ...places.filter((place) => !isSeen(place))].map(formatHostPort)
}

/** An address as the other family may write it: `::ffff:10.0.0.1` is 10.0.0.1. */
export function plainHost(host: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1] ?? host
}
