import { silentLogger } from '../../src/base/log.ts'
import type { CertifiedRole, Credential, FleetKey } from '../../src/trust/index.ts'
import {
  Authorities,
  CertificateTrust,
  FleetTrust,
  issueCertificate,
  issueRevocationList,
  newAuthority,
  parseCredential,
  Revocations,
  readAuthorities,
} from '../../src/trust/index.ts'

const DAY_MS = 86_400_000

export interface Signed {
  readonly pem: string
  readonly credential: Credential
}

/** An authority of a fleet, and what it certifies. */
export class TestAuthority {
  readonly fleet: string
  readonly pem: string
  readonly keyPem: string
  readonly #revoked: string[] = []

  private constructor(fleet: string, pem: string, keyPem: string) {
    this.fleet = fleet
    this.pem = pem
    this.keyPem = keyPem
  }

  static async create(fleet = 'corp'): Promise<TestAuthority> {
    const { certificatePem, keyPem } = await newAuthority(fleet, 365, Date.now() - DAY_MS)
    return new TestAuthority(fleet, certificatePem, keyPem)
  }

  /** A credential that began at `fromMs` and lasts `days`. */
  async certify(role: CertifiedRole, { fromMs = Date.now(), days = 1 } = {}): Promise<Signed> {
    const authority = { certificatePem: this.pem, keyPem: this.keyPem }
    const { certificatePem, keyPem } = await issueCertificate(authority, { role, name: role.role, days }, fromMs)
    const names = { certificate: 'test certificate', key: 'test key' }
    return { pem: certificatePem + keyPem, credential: parseCredential(certificatePem, keyPem, names) }
  }

  cache(region: string, lifetime: { fromMs?: number; days?: number } = {}): Promise<Signed> {
    return this.certify({ role: 'cache', fleet: this.fleet, region }, lifetime)
  }

  operator(lifetime: { fromMs?: number; days?: number } = {}): Promise<Signed> {
    return this.certify({ role: 'operator', fleet: this.fleet }, lifetime)
  }

  /** The list (PEM) of all that have been revoked so far and these. */
  revoke(credentials: readonly Credential[], atMs = Date.now()): Promise<string> {
    this.#revoked.push(...credentials.map(({ certificate }) => certificate.serial))
    const revoked = this.#revoked.map((serial) => ({ serial, atMs }))
    return issueRevocationList({ certificatePem: this.pem, keyPem: this.keyPem }, revoked, 30, atMs)
  }
}

export interface TestTrustOptions {
  readonly key: FleetKey | readonly FleetKey[]
  readonly authorities?: readonly TestAuthority[]
  readonly credential?: Credential | undefined
  readonly revocations?: readonly string[]
  readonly acceptCacheKeys?: boolean
  readonly fleet?: string | null
  readonly now?: () => number
}

/** Trust as a host has it whose files hold this. */
export async function testTrust(options: TestTrustOptions): Promise<FleetTrust> {
  const { key, authorities = [], credential, revocations: lists = [], fleet = null, now = Date.now } = options
  const anchors = authorities.flatMap(({ pem }) => readAuthorities(pem))
  const revocations = new Revocations(undefined, silentLogger)
  for (const list of lists) await revocations.take(list, anchors)
  const certificates =
    anchors.length === 0
      ? undefined
      : new CertificateTrust({ authorities: new Authorities(anchors, fleet), credential, revocations, now })
  return new FleetTrust({
    keys: [key].flat() as FleetKey[],
    certificates,
    acceptCacheKeys: options.acceptCacheKeys ?? false,
  })
}
