import type { Clock } from '../base/clock.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { FleetTrust, RevocationList } from '../trust/index.ts'
import type { PeerKey } from './interface.ts'
import type { Link } from './link.ts'
import type { LinkMessage } from './link-messages.ts'
import { linkMessages } from './link-messages.ts'
import type { LinkTable } from './link-table.ts'
import type { IssuedList } from './wire.ts'

/** How soon a certificate that ends while its holder is linked is seen to have ended. */
const LOOK_EVERY_MS = 5_000

interface LinkCredentialsDeps {
  readonly trust: FleetTrust
  readonly table: LinkTable
  readonly clock: Clock
  readonly logger: Logger
  readonly self: PeerKey
}

/** What a peer has shown and what it knows, from its introduction on. */
export interface ShownOnLink {
  /** Its certificate as a cache (DER), if that is why it counts as one. */
  readonly certificate: Uint8Array | undefined
  /** The revocation lists it has; undefined when it wants none. */
  readonly revocations: readonly IssuedList[] | undefined
}

interface Shown {
  certificate: Uint8Array | undefined
  /** By authority, epoch ms; undefined when it wants none. */
  readonly issued: Map<string, number> | undefined
  isTaking: boolean
}

/**
 * Credentials while links live: a cache whose certificate ends or is revoked loses its link, and with it its rights at once;
 * it may link again as a member. New certificates and revocation lists go to whoever lacks them.
 */
export class LinkCredentials implements Disposable {
  readonly #deps: LinkCredentialsDeps
  readonly #shown = new Map<Link, Shown>()
  readonly #listening: Disposable
  /** The own certificate that peers were told last. */
  #told: Uint8Array | undefined
  #timer: Disposable | undefined

  constructor(deps: LinkCredentialsDeps) {
    this.#deps = deps
    this.#told = deps.trust.certificates?.credential?.certificate.der
    this.#listening = deps.trust.onChange(() => this.#changed())
    this.#watch()
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]()
    this.#timer?.[Symbol.dispose]()
  }

  linked(link: Link, { certificate, revocations }: ShownOnLink): void {
    const issued = revocations && new Map(revocations.map(({ authority, issuedAtMs }) => [authority, issuedAtMs]))
    const shown = { certificate, issued, isTaking: false }
    this.#shown.set(link, shown)
    this.#tellLists(link, shown)
    // a list may have come between the introduction and now
    this.#judge(link, shown)
  }

  unlinked(link: Link): void {
    this.#shown.delete(link)
  }

  /** A peer has another certificate now. One that was no cache when it was linked becomes one by linking again. */
  renewed(link: Link, { certificate, proof }: LinkMessage<'credential'>): void {
    const { trust, self } = this.#deps
    const shown = this.#shown.get(link)
    if (trust.certificates === undefined || shown === undefined) return
    const { key, region, role } = link.peer
    const verdict = trust.weigh(key, self, region, { roleProof: undefined, shown: { certificate, proof } })
    if (verdict.kind === 'forged') link.end(new ShoalError('PEER_PROTOCOL', verdict.problem))
    else if (verdict.kind === 'certified' && role === 'cache') shown.certificate = certificate
    else if (verdict.kind === 'certified') link.close('the peer has become a cache')
  }

  /** A peer has a revocation list that this host may lack. Never rejects. */
  async heard(link: Link, message: LinkMessage<'revocations'>): Promise<void> {
    const { trust, logger } = this.#deps
    const certificates = trust.certificates
    const { authority, issuedAtMs } = message
    const shown = this.#shown.get(link)
    shown?.issued?.set(authority, issuedAtMs)
    if (shown === undefined || certificates === undefined || shown.isTaking) return
    if (issuedAtMs <= certificates.revocations.issuedAt(authority)) return
    shown.isTaking = true
    try {
      const { list, isNews } = await certificates.takeRevocations(message.list)
      if (list.authority !== authority || list.issuedAtMs !== issuedAtMs)
        throw new Error('is another one than was said')
      if (!isNews) return
      logger.info(listFields(list), 'a newer revocation list came from a peer')
      trust.changed()
    } catch (error) {
      link.end(new ShoalError('PEER_PROTOCOL', `what a peer sent as revocation list ${errorText(error)}`))
    } finally {
      shown.isTaking = false
    }
  }

  #changed(): void {
    const { trust, self } = this.#deps
    const own = trust.certificates?.credential?.certificate.der
    const isNew = own !== undefined && own !== this.#told
    this.#told = own
    for (const [link, shown] of [...this.#shown]) {
      this.#judge(link, shown)
      this.#tellLists(link, shown)
      const mine = isNew && link.speaks(linkMessages.credential) && trust.certificates?.show(self, link.peer.key)
      if (mine) link.send(linkMessages.credential, { certificate: mine.certificate, proof: mine.proof })
    }
  }

  #judge(link: Link, { certificate }: Shown): void {
    const { peer } = link
    if (peer.role !== 'cache') return
    const problem = this.#deps.trust.lapse(certificate, peer.region)
    if (problem === undefined) return
    this.#deps.logger.warn({ peer: peer.key, region: peer.region, problem }, 'a cache has lost its rights')
    link.close(`it is no cache any more: ${problem}`)
  }

  #tellLists(link: Link, { issued }: Shown): void {
    if (issued === undefined) return
    for (const { der, authority, issuedAtMs } of this.#deps.trust.certificates?.revocations.lists ?? []) {
      if (issuedAtMs <= (issued.get(authority) ?? 0)) continue
      issued.set(authority, issuedAtMs)
      link.send(linkMessages.revocations, { authority, issuedAtMs, list: der })
    }
  }

  #watch(): void {
    this.#timer = this.#deps.clock.after(LOOK_EVERY_MS, () => {
      for (const link of [...this.#deps.table.caches.values()]) {
        const shown = this.#shown.get(link)
        if (shown !== undefined) this.#judge(link, shown)
      }
      this.#watch()
    })
  }
}

function listFields({ authority, issuedAtMs, revoked }: RevocationList): object {
  return { authority, issued: new Date(issuedAtMs).toISOString(), revoked: revoked.size }
}
