import { stat } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { TaskGroup } from '../base/task-group.ts'
import { Authorities } from './authorities.ts'
import { dateProblem } from './certificate.ts'
import { CertificateTrust } from './certificate-trust.ts'
import { roleText } from './certified-role.ts'
import type { CredentialView } from './credential-ends.ts'
import { credentialViews } from './credential-ends.ts'
import type { FleetTrustParts } from './fleet-trust.ts'
import { FleetTrust } from './fleet-trust.ts'
import { Revocations } from './revocations.ts'
import type { TrustContents, TrustFiles } from './trust-files.ts'
import { readTrustFiles } from './trust-files.ts'

/** Files are replaced by whoever renews credentials, and nobody tells the daemon. */
const LOOK_EVERY_MS = 30_000

/** Who this host is in its fleet, and whom it believes: files and what goes with them. */
export interface TrustSettings {
  readonly files: TrustFiles
  /** The only fleet whose certificates count; null for an authority that serves no other. */
  readonly fleet: string | null
  readonly acceptCacheKeys: boolean
  readonly role: 'agent' | 'cache'
  readonly region: string
}

interface TrustKeeperDeps {
  /** Where revocation lists are kept from one start to the next. */
  readonly directory: string
  readonly clock: Clock
  readonly logger: Logger
}

/** Keeps a host's trust true to its files: reads them at the start, when told, and when they have changed. */
export class TrustKeeper implements AsyncDisposable {
  readonly trust: FleetTrust
  readonly #deps: TrustKeeperDeps
  readonly #revocations: Revocations
  readonly #tasks: TaskGroup
  #settings: TrustSettings
  #seen: string
  /** What the files were like when they could not be used: not tried again until they change. */
  #unusable = ''

  private constructor(
    settings: TrustSettings,
    deps: TrustKeeperDeps,
    revocations: Revocations,
    parts: FleetTrustParts,
    seen: string,
  ) {
    this.#settings = settings
    this.#deps = deps
    this.#tasks = new TaskGroup(deps.logger)
    this.#revocations = revocations
    this.#seen = seen
    this.trust = new FleetTrust(parts)
  }

  /** Throws `CONFIG_INVALID` naming the key, the file, what is wrong and what mends it. */
  static async open(settings: TrustSettings, deps: TrustKeeperDeps): Promise<TrustKeeper> {
    const seen = await stateOf(settings.files)
    const contents = await readTrustFiles(settings.files)
    const revocations = new Revocations(deps.directory, deps.logger)
    await revocations.recall(contents.authorities)
    const parts = await partsOf(settings, contents, { ...deps, revocations })
    return new TrustKeeper(settings, deps, revocations, parts, seen)
  }

  /** What this host's credential and its authorities are like now. */
  views(): CredentialView[] {
    return credentialViews(this.trust, this.#deps.clock.wall())
  }

  /** Begins to look at the files now and then. */
  start(): void {
    const rounds = { clock: this.#deps.clock, firstAfterMs: LOOK_EVERY_MS, everyMs: LOOK_EVERY_MS }
    this.#tasks.loop("the fleet's keys and credentials cannot be looked at", rounds, () => this.#look())
  }

  /** Reads all files again, now. Throws `CONFIG_INVALID`, and what was believed before is believed still. */
  async reload(settings: TrustSettings = this.#settings): Promise<void> {
    const seen = await stateOf(settings.files)
    const contents = await readTrustFiles(settings.files)
    this.trust.replace(await partsOf(settings, contents, { ...this.#deps, revocations: this.#revocations }))
    this.#settings = settings
    this.#seen = seen
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tasks.stop()
  }

  async #look(): Promise<void> {
    const { logger } = this.#deps
    const now = await stateOf(this.#settings.files)
    if (now === this.#seen || now === this.#unusable) return
    try {
      await this.reload()
      logger.info({}, "the fleet's keys and credentials were read again")
    } catch (error) {
      this.#unusable = now
      logger.error(
        { err: error },
        "the fleet's keys and credentials have changed and cannot be used: the old ones hold",
      )
    }
  }
}

interface PartsDeps {
  readonly revocations: Revocations
  readonly clock: Clock
  readonly logger: Logger
}

async function partsOf(
  settings: TrustSettings,
  contents: TrustContents,
  { revocations, clock, logger }: PartsDeps,
): Promise<FleetTrustParts> {
  const { keys, credential } = contents
  const { fleet, acceptCacheKeys } = settings
  if (contents.authorities.length === 0) {
    if (keys.every(({ kind }) => kind === 'member')) {
      throw invalid(
        'fleet.authorities: a member key says nothing of who is a cache; name the certificate of the authority',
      )
    }
    return { keys, certificates: undefined, acceptCacheKeys }
  }
  const authorities = new Authorities(contents.authorities, fleet)
  const certificates = new CertificateTrust({ authorities, credential, revocations, now: () => clock.wall() })
  await takeFile(settings, contents, certificates, logger)
  checkOwn(settings, certificates, clock.wall())
  return { keys, certificates, acceptCacheKeys }
}

/** A list that is older than one that came from a peer is no mistake: it is passed over. */
async function takeFile(
  { files }: TrustSettings,
  { revocations }: TrustContents,
  certificates: CertificateTrust,
  logger: Logger,
): Promise<void> {
  if (revocations === undefined) return
  try {
    const { list, isNews } = await certificates.takeRevocations(revocations)
    if (isNews) logger.info({ revoked: list.revoked.size }, 'the revocation list was read')
  } catch (cause) {
    throw invalid(`fleet.revocations: ${files.revocations} ${errorText(cause)}`)
  }
}

/** A cache that could not speak for its region does not start; an agent may hold whatever it likes. */
function checkOwn(
  { files, role, region, acceptCacheKeys }: TrustSettings,
  trust: CertificateTrust,
  nowMs: number,
): void {
  if (role !== 'cache') return
  const mend = `shoal fleet certify cache --region ${region} makes one`
  const certificate = trust.credential?.certificate
  if (certificate === undefined) {
    if (acceptCacheKeys) return
    throw invalid(`fleet.credential: role "cache" needs a credential where the fleet has an authority; ${mend}`)
  }
  const is = certificate.role
  const isRight = is.role === 'cache' && is.region === region
  const checked = trust.check(certificate.der)
  const problem = checked.ok ? dateProblem(certificate, nowMs) : checked.problem.replace(/^its certificate /, '')
  const wrong = isRight
    ? problem
    : `is for ${is.role === 'cache' ? 'a' : 'an'} ${roleText(is)}, and this host is a cache of region ${region}`
  if (wrong !== undefined) throw invalid(`fleet.credential: ${files.credential}: its certificate ${wrong}; ${mend}`)
}

/** What tells that a file is another one: replacing it changes one of these. */
async function stateOf({ keyFile, authorities, credential, credentialKey, revocations }: TrustFiles): Promise<string> {
  const files = [keyFile, ...authorities, credential, credentialKey, revocations].filter((file) => file !== null)
  const states = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ ino, size, mtimeMs, ctimeMs }) => `${file} ${ino} ${size} ${mtimeMs} ${ctimeMs}`,
        () => `${file} gone`,
      ),
    ),
  )
  return states.join('\n')
}

function invalid(message: string): ShoalError {
  return new ShoalError('CONFIG_INVALID', message)
}
