// The trust room: who may say what in a fleet, and how it is proven.
//
//   interface         Trust: what the other rooms need of it
//   fleet-trust       Trust by the fleet's shared keys (key-ring, fleet-key) and by certificates (certificate-trust)
//   order             what acts on the fleet, signed; order-signer: by somebody who is no host
//   certificate       what is read of one: certified-role  authorities  whom the fleet believes, and what they certified
//   credential        a certificate with its key           envelope     signatures that carry their certificate
//   revocations       what was taken back: revocation-list trust-files, trust-keeper  read it, and again; credential-ends: says so
//   canonical         what proofs and signatures are made over; signature, ed25519: how; true-signatures: checked once
//   issue             makes certificates and revocation lists; x509-library: loaded late

export type { Authority, Checked } from './authorities.ts'
export { Authorities, readAuthorities } from './authorities.ts'
export { canonicalBytes } from './canonical.ts'
export type { Certificate } from './certificate.ts'
export { canonicalSerial, readCertificate } from './certificate.ts'
export type { ShownCertificate } from './certificate-trust.ts'
export { CertificateTrust } from './certificate-trust.ts'
export type { CertifiedRole } from './certified-role.ts'
export { isFleetName, roleText, roleUri } from './certified-role.ts'
export type { Credential, CredentialFiles } from './credential.ts'
export { loadCredential, parseCredential } from './credential.ts'
export type { CredentialView } from './credential-ends.ts'
export { CredentialEnds, credentialViews } from './credential-ends.ts'
export { ED25519_BYTES, ed25519PrivateKey, ed25519RawPublicKey } from './ed25519.ts'
export { MAX_CERTIFICATE_BYTES } from './envelope.ts'
export type { FleetKey } from './fleet-key.ts'
export {
  agentKeyOf,
  formatFleetKey,
  generateFleetKey,
  generateMemberKey,
  isLoopbackKey,
  LOOPBACK_KEY,
  memberKeyOf,
  parseFleetKey,
  parseFleetKeys,
} from './fleet-key.ts'
export type { CacheClaim, CacheVerdict, FleetTrustParts } from './fleet-trust.ts'
export { FleetTrust } from './fleet-trust.ts'
export type { Judgement, PeerName, Trust } from './interface.ts'
export { MAX_SIGNATURE_BYTES } from './interface.ts'
export type { AuthorityFiles, CertificateRequest, Issued, Revoked } from './issue.ts'
export { issueCertificate, issueRevocationList, newAuthority } from './issue.ts'
export type { Order, OrderContent, OrderVerb, SignsOrders } from './order.ts'
export {
  giveOrder,
  giveOrderAsCache,
  isFresh,
  MAX_ORDER_TEXT_CHARS,
  ORDER_SKEW_MS,
  orderContent,
  orderInvalidate,
  orderJson,
  orderSchema,
  provenOrder,
} from './order.ts'
export type { OrderSigner } from './order-signer.ts'
export { loadOrderSigner } from './order-signer.ts'
export type { RevocationList } from './revocation-list.ts'
export { MAX_REVOCATIONS_BYTES, readRevocationList } from './revocation-list.ts'
export type { TakenList } from './revocations.ts'
export { Revocations } from './revocations.ts'
export { TrueSignatures } from './true-signatures.ts'
export type { TrustFiles } from './trust-files.ts'
export type { TrustKeeperDeps, TrustSettings } from './trust-keeper.ts'
export { TrustKeeper } from './trust-keeper.ts'
