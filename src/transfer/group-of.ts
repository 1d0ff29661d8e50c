import { addressGroup } from '../swarm/index.ts'

/** Whom an address belongs to; undefined for none. */
export function groupOf(address: string | undefined): string | undefined {
  return address === undefined ? undefined : addressGroup(address)
}
