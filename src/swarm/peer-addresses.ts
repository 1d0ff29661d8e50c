import type { Address } from '../base/address.ts'
import { addressText, isLoopback, parseAddress } from '../base/address.ts'

/**
 * What a peer says of where it can be dialled, and where it was seen to come from (`remote`), in one list: the address it
 * came from first if it is among them. One that names only its own loopback is taken at the address it came from, with the
 * port it names.
 */
export function peerAddresses(announced: readonly string[], remote: string | undefined): readonly string[] {
  if (remote === undefined || isLoopback(remote)) return announced
  const places = announced.map(parseAddress).filter((place) => place !== undefined)
  const first = places[0]
  if (first !== undefined && places.every(({ host }) => isLoopback(host))) {
    return [addressText({ host: remote, port: first.port })]
  }
  const isSeen = ({ host }: Address): boolean => host === remote
  return [...places.filter(isSeen), ...places.filter((place) => !isSeen(place))].map(addressText)
}

/** An address as the other family may write it: `::ffff:10.0.0.1` is 10.0.0.1. */
export function plainHost(host: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1] ?? host
}
