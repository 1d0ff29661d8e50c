import type { Address } from '../base/address.ts'
import { isLoopback } from '../base/address.ts'
import { ShoalError } from '../base/errors.ts'
import type { FleetTrust } from '../trust/index.ts'
import type { SwarmOptions } from './options.ts'

/** Throws `CONFIG_INVALID` when a host could not be what it is to be with what it can prove. */
export function checkTrust({ listen, role }: SwarmOptions, trust: FleetTrust, place: Address): void {
  if (trust.isLoopback && !isLoopback(place.host)) {
    throw new ShoalError(
      'CONFIG_INVALID',
      `peer.listen: ${listen} needs fleet.keyFile; without a fleet key this host listens on loopback only`,
    )
  }
  if (role === 'cache' && !trust.canVouch) {
    throw new ShoalError(
      'CONFIG_INVALID',
      'fleet.keyFile: role "cache" needs the cache key, or a certificate of its own (fleet.credential)',
    )
  }
}
