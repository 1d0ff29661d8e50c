// The trust room: who may say what in a fleet, and how it is proven.
//
//   interface         Trust: what the other rooms need of it
//   fleet-trust       Trust by the fleet's shared keys (key-ring, fleet-key) and by certificates (certificate-trust)
//   order             what acts on the fleet, signed; order-signer: by somebody who is no host; order-log: who gave it
//   certificate       what is read of one: certified-role  authorities  whom the fleet believes, and what they certified
//   credential        a certificate with its key           envelope     signatures that carry their certificate
//   revocations       what was taken back: revocation-list trust-files, trust-keeper  read it, and again; credential-ends: says so
//   canonical         what proofs and signatures are made over; signature, ed25519: how; true-signatures: checked once
//   issue             makes certificates and revocation lists; x509-library: loaded late

export type { Authority } from './authorities.ts'
export { Authorities, readAuthorities } from './authorities.ts'
export { canonicalBytes } from './canonical.ts'
export { canonicalSerial, readCertificate } from './certificate.ts'
export { CertificateTrust } from './certificate-trust.ts'
export type { CertifiedRole } from './certified-role.ts'
export { isFleetName, roleText } from './certified-role.ts'
export type { Credential } from './credential.ts'
export { parseCredential } from './credential.ts'
export { CredentialEnds } from './credential-ends.ts'
export { ED25519_BYTES } from './ed25519.ts'
export { MAX_CERTIFICATE_BYTES } from './envelope.ts'
export type { FleetKey } from './fleet-key.ts'
export {
  agentKeyOf,
  formatFleetKey,
  generateFleetKey,
  generateMemberKey,
  isLoopbackKey,
  LOOPBACK_KEY,
  parseFleetKey,
  parseFleetKeys,
} from './fleet-key.ts'
export type { CacheVerdict } from './fleet-trust.ts'
export { FleetTrust } from './fleet-trust.ts'
export type { Judgement, Trust } from './interface.ts'
export { MAX_SIGNATURE_BYTES } from './interface.ts'
export type { AuthorityFiles } from './issue.ts'
export { issueCertificate, issueRevocationList, newAuthority } from './issue.ts'
export type { Order, OrderContent, ProvenOrder, SignsOrders } from './order.ts'
export {
  giveOrder,
  giveOrderAsCache,
  isFresh,
  ORDER_SKEW_MS,
  orderContent,
  orderInvalidate,
  orderJson,
  orderSchema,
  provenOrder,
} from './order.ts'
export type { OrderSource } from './order-log.ts'
export { OrderLog } from './order-log.ts'
export type { OrderSigner } from './order-signer.ts'
export { loadOrderSigner } from './order-signer.ts'
export type { RevocationList } from './revocation-list.ts'
export { MAX_REVOCATIONS_BYTES, readRevocationList } from './revocation-list.ts'
export { Revocations } from './revocations.ts'
export { TrueSignatures } from './true-signatures.ts'
export type { TrustFiles } from './trust-files.ts'
export type { TrustSettings } from './trust-keeper.ts'
export { TrustKeeper } from './trust-keeper.ts'
