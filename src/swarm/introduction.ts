import { ShoalError } from '../base/errors.ts'
import type { CacheVerdict, FleetTrust } from '../trust/index.ts'
import type { ControlChannel } from './control-channel.ts'
import type { PeerInfo, PeerKey } from './interface.ts'
import type { ShownOnLink } from './link-credentials.ts'
import type { Speech } from './speech.ts'
import { speechOf } from './speech.ts'
import type { AboutFrame, ByeReason, HelloFrame, ReceivedFrame } from './wire.ts'
import { PROTOCOL_VERSION, PROTOCOL_VERSIONS } from './wire-limits.ts'
import type { TlsOffer } from './wire-types.ts'

/** Who we are, and how to tell who they are. */
export interface IntroductionContext {
  readonly self: PeerInfo
  readonly trust: FleetTrust
  readonly software: string
  /** What this host understands, by name. */
  readonly speaks: readonly string[]
}

/** The addresses of `self` change while the host runs. */
export function introductionOf(self: () => PeerInfo, rest: Omit<IntroductionContext, 'self'>): IntroductionContext {
  return {
    get self() {
      return self()
    },
    ...rest,
  }
}

/** What a side tells of itself in one introduction. */
interface Introducing extends IntroductionContext {
  readonly offer: TlsOffer | undefined
  /** The address the peer comes from, if this side was dialled. */
  readonly observed?: string | undefined
}

/** Who the peer is, what it understands, and how it takes TLS connections, if it does. */
interface Introduced {
  readonly peer: PeerInfo
  readonly speech: Speech
  readonly offer: TlsOffer | undefined
  /** The address the peer has seen this host come from. */
  readonly observed: string | undefined
  readonly shown: ShownOnLink
  /** Why it is taken for a mere member when it says it is a cache. */
  readonly doubt: string | undefined
}

/** Refuses a peer: the reason is what it is told, and the label the refusal is counted under. */
export function refusal(reason: ByeReason, message: string): ShoalError {
  return new ShoalError('PEER_REFUSED', message, { details: { reason } })
}

/** The dialler's half: prove, check, tell, be told; `told`: this host's addresses. Rejects `PEER_REFUSED`, `PEER_PROTOCOL`, `PEER_GONE`, or as the signal says. */
export async function introduceAsDialler(
  control: ControlChannel,
  remote: PeerKey,
  context: Introducing,
  signal: AbortSignal,
  piecesReady: Promise<unknown>,
): Promise<Introduced & { readonly told: readonly string[] }> {
  control.send(helloFrame(remote, context))
  checkHello(await nextFrame(control, signal), remote, context)
  control.allowLargeFrames()
  await piecesReady
  const about = aboutFrame({ ...context, remote })
  control.send(about)
  return { ...checkAbout(await nextFrame(control, signal), remote, context), told: about.addresses }
}

/**
 * The other half, up to knowing who has dialled. The listener speaks last: sending its own aboutFrame() makes the link,
 * so the dialler cannot say anything before the listener is ready for it.
 */
export async function introduceAsListener(
  control: ControlChannel,
  remote: PeerKey,
  context: IntroductionContext,
  signal: AbortSignal,
): Promise<Introduced> {
  control.send(helloFrame(remote, context))
  checkHello(await nextFrame(control, signal), remote, context)
  control.allowLargeFrames()
  return checkAbout(await nextFrame(control, signal), remote, context)
}

export function aboutFrame(context: Introducing & { readonly remote: PeerKey }): AboutFrame {
  const { self, trust, software, offer, observed } = context
  const { certificates } = trust
  const shown = self.role === 'cache' ? certificates?.show(self.key, context.remote) : undefined
  return {
    frame: 'about',
    role: self.role,
    roleProof: self.role === 'cache' ? trust.proveCache(self.key, self.region) : undefined,
    region: self.region,
    zone: self.zone,
    addresses: self.addresses,
    software,
    tls: offer,
    observed,
    certificate: shown?.certificate,
    proof: shown?.proof,
    revocations: certificates?.revocations.lists.map(({ authority, issuedAtMs }) => ({ authority, issuedAtMs })),
    rank: self.rank,
    cacheKeys: trust.cacheKeys,
    speaks: context.speaks,
  }
}

function helloFrame(remote: PeerKey, context: IntroductionContext): HelloFrame {
  const proof = context.trust.proveMember(context.self.key, remote)
  return { frame: 'hello', version: PROTOCOL_VERSION, min: PROTOCOL_VERSIONS.min, max: PROTOCOL_VERSIONS.max, proof }
}

function checkHello(frame: ReceivedFrame, remote: PeerKey, context: IntroductionContext): void {
  if (frame.frame !== 'hello') throw unexpected(frame)
  if (!hasCommonVersion(frame)) throw refusal('version', 'the peer speaks another version of the protocol')
  if (!context.trust.isMember(remote, context.self.key, frame.proof)) {
    throw refusal('stranger', 'the peer holds no key of this fleet')
  }
}

/** Whether there is a version that both sides speak. */
function hasCommonVersion({ version, min = version, max = version }: HelloFrame): boolean {
  return min <= PROTOCOL_VERSIONS.max && max >= PROTOCOL_VERSIONS.min
}

function checkAbout(frame: ReceivedFrame, remote: PeerKey, context: IntroductionContext): Introduced {
  if (frame.frame !== 'about') throw unexpected(frame)
  const { region, zone, addresses, tls, observed, speaks, rank, cacheKeys, certificate, revocations } = frame
  const verdict = frame.role === 'cache' ? weigh(frame, remote, context) : undefined
  if (verdict?.kind === 'forged') throw refusal('role', `the peer claims to be a cache, and ${verdict.problem}`)
  const certified = verdict?.kind === 'certified'
  const role = certified || verdict?.kind === 'key' ? 'cache' : 'agent'
  return {
    peer: { key: remote, role, region, zone, addresses, rank, certified, cacheKeys },
    speech: speechOf(speaks),
    offer: tls,
    observed,
    shown: { certificate: certified ? certificate : undefined, revocations },
    doubt: verdict?.kind === 'none' ? verdict.problem : undefined,
  }
}

function weigh(frame: AboutFrame, remote: PeerKey, { trust, self }: IntroductionContext): CacheVerdict {
  const { certificate, proof, region, roleProof } = frame
  const shown = certificate === undefined || proof === undefined ? undefined : { certificate, proof }
  return trust.weigh(remote, self.key, region, { roleProof, shown })
}

/** What a frame out of turn means. A goodbye says why: some reasons are for good, others pass. */
function unexpected(frame: ReceivedFrame): ShoalError {
  if (frame.frame !== 'bye') return new ShoalError('PEER_PROTOCOL', 'a peer spoke out of turn')
  const details = { reason: frame.reason, remote: true, clone: frame.clone }
  if (frame.reason === 'full') return new ShoalError('PEER_GONE', 'the peer has as many links as it may', { details })
  return frame.reason === 'closing' || frame.reason === 'duplicate'
    ? new ShoalError('PEER_GONE', 'the peer takes no link just now', { details })
    : new ShoalError('PEER_REFUSED', `the peer refuses this host: ${frame.reason}`, { details })
}

/** One frame; what follows it waits. */
function nextFrame(control: ControlChannel, signal: AbortSignal): Promise<ReceivedFrame> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const stop = (): void => {
      signal.removeEventListener('abort', onAbort)
      control.setReceiver(undefined)
    }
    const onAbort = (): void => {
      stop()
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    control.setReceiver({
      frame(frame) {
        stop()
        resolve(frame)
      },
      failed(error) {
        stop()
        reject(error)
      },
    })
  })
}
