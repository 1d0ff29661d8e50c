// The trust room: who may say what in a fleet, and how it is proven.
//
//   interface      Trust: what the other rooms need of it
//   fleet-trust    Trust by the fleet's shared key          fleet-key    the key, as text and bytes
//   canonical      what proofs and signatures are made over ed25519      raw keys for node:crypto

export { canonicalBytes } from './canonical.ts'
export { ED25519_BYTES, ed25519PrivateKey, ed25519RawPublicKey } from './ed25519.ts'
export type { FleetKey } from './fleet-key.ts'
export {
  agentKeyOf,
  formatFleetKey,
  generateFleetKey,
  isLoopbackKey,
  LOOPBACK_KEY,
  parseFleetKey,
} from './fleet-key.ts'
export { FleetTrust } from './fleet-trust.ts'
export type { PeerName, Trust } from './interface.ts'
export { MAX_SIGNATURE_BYTES } from './interface.ts'
