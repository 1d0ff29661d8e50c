import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import { SingleFlight } from '../base/single-flight.ts'
import type { AccessMode, RegistryCredentials } from './config.ts'
import type { BasicCredentials, RegistryLogin } from './docker-config.ts'
import { readDockerCredentials } from './docker-config.ts'
import type { TokenQuery, TokenSource } from './token-source.ts'
import { basicAuthorization, basicLogin } from './token-source.ts'
import { parseChallenges } from './www-authenticate.ts'

const CHALLENGE_MEMORY_MS = 3_600_000
const MAX_CHALLENGES = 1024
/** A secret mounted as a file may be replaced; reading it again this often finds the new one. */
const FILE_MEMORY_MS = 30_000

type Scheme = { readonly kind: 'basic' } | { readonly kind: 'bearer'; readonly query: TokenQuery }

interface RegistryAuthSettings {
  readonly registry: URL
  readonly access: AccessMode
  readonly credentials: RegistryCredentials | null | undefined
}

interface RegistryAuthDeps {
  readonly clock: Clock
  /** What the registry asks of everybody, at `/v2/`; undefined for nothing. */
  readonly challenge: (signal: AbortSignal) => Promise<string | undefined>
}

/** Which Authorization header goes to one registry: nobody's, the fleet's, or each client's own. */
export class RegistryAuth {
  readonly #settings: RegistryAuthSettings
  readonly #tokens: TokenSource
  /** What each repository was challenged with, so that later requests bring their proof at once. */
  readonly #schemes: ExpiringMap<Scheme>
  readonly #logins: ExpiringMap<RegistryLogin>
  readonly #reads = new SingleFlight<RegistryLogin>()
  readonly #deps: RegistryAuthDeps
  /** What the registry asks of everybody, once it has said so; empty for nothing. */
  readonly #general: ExpiringMap<string>
  readonly #pings = new SingleFlight<string>()

  constructor(settings: RegistryAuthSettings, tokens: TokenSource, deps: RegistryAuthDeps) {
    const { clock } = deps
    this.#settings = settings
    this.#tokens = tokens
    this.#schemes = new ExpiringMap(clock, MAX_CHALLENGES)
    this.#logins = new ExpiringMap(clock, MAX_CHALLENGES)
    this.#general = new ExpiringMap(clock, 1)
    this.#deps = deps
  }

  /** The header to send with a first try. `given` is the client's own, which counts only with `access: passthrough`. */
  async first(repository: string, given: string | undefined, signal: AbortSignal): Promise<string | undefined> {
    if (this.#settings.access === 'passthrough') {
      const login = basicLogin(given)
      if (login === undefined) return given === '' ? undefined : given
      const asked = this.#schemes.get(repository) ?? (await this.#generalScheme(repository, signal))
      return asked?.kind === 'bearer' ? this.#proveAsClient(asked, login, undefined, signal) : given
    }
    const scheme = this.#schemes.get(repository) ?? (await this.#generalScheme(repository, signal))
    return scheme === undefined ? undefined : this.#prove(repository, scheme, undefined, signal)
  }

  /** The header to try after a 401 to `used`; undefined when there is nothing better to offer. */
  async afterRefusal(
    refusal: {
      readonly repository: string
      readonly challenge: string | undefined
      readonly used: string | undefined
      readonly given: string | undefined
    },
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { repository, challenge, used } = refusal
    const isClients = this.#settings.access === 'passthrough'
    const login = isClients ? basicLogin(refusal.given) : undefined
    if (isClients && login === undefined) return undefined
    // Some do not say again what they want when a token has been taken back.
    const scheme = chooseScheme(challenge, repository) ?? this.#schemes.get(repository)
    if (scheme === undefined) return undefined
    this.#schemes.set(repository, scheme, CHALLENGE_MEMORY_MS)
    const proof =
      login === undefined
        ? await this.#prove(repository, scheme, used, signal)
        : scheme.kind === 'bearer' && (await this.#proveAsClient(scheme, login, used, signal))
    return proof === used || proof === false ? undefined : proof
  }

  /**
   * What `/v2/` asks for, as clients of registries do: one that lets strangers in says "unknown" or "forbidden" to them
   * for a private repository, and never asks for the proof that would open it.
   */
  async #generalScheme(repository: string, signal: AbortSignal): Promise<Scheme | undefined> {
    const { access, credentials } = this.#settings
    if (access === 'public' || (access === 'node' && credentials == null)) return undefined
    const header = this.#general.get('') ?? (await this.#pings.run('', (shared) => this.#ping(shared), signal))
    const asked = chooseScheme(header, repository)
    // What it says of everybody names no repository, or another one.
    const scope = `repository:${repository}:pull`
    const scheme = asked?.kind === 'bearer' ? { ...asked, query: { ...asked.query, scope } } : asked
    if (scheme !== undefined) this.#schemes.set(repository, scheme, CHALLENGE_MEMORY_MS)
    return scheme
  }

  async #ping(signal: AbortSignal): Promise<string> {
    try {
      const header = (await this.#deps.challenge(signal)) ?? ''
      this.#general.set('', header, CHALLENGE_MEMORY_MS)
      return header
    } catch (error) {
      signal.throwIfAborted()
      // Without the page, the repository itself says what it wants.
      if (isShoalError(error)) return ''
      throw error
    }
  }

  async #prove(repository: string, scheme: Scheme, used: string | undefined, signal: AbortSignal) {
    const login = await this.#login(repository, scheme.kind === 'basic' && used !== undefined, signal)
    // an identity token is good at a token server only
    if (scheme.kind === 'basic') return login?.kind === 'basic' ? basicAuthorization(login) : undefined
    const refused = used?.replace(/^Bearer /, '')
    return `Bearer ${await this.#tokens.token(scheme.query, login, { refused, signal })}`
  }

  /**
   * Exchanges a client's own name and password for a token, as the client would have if it had been told where and for
   * what. Undefined when the token server refuses them: the registry's answer then says so.
   */
  async #proveAsClient(
    { query }: { readonly query: TokenQuery },
    login: BasicCredentials,
    used: string | undefined,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const refused = used?.replace(/^Bearer /, '')
    try {
      return `Bearer ${await this.#tokens.token(query, { kind: 'basic', ...login }, { refused, signal })}`
    } catch (error) {
      if (isShoalError(error, 'ORIGIN_DENIED')) return undefined
      throw error
    }
  }

  async #login(repository: string, again: boolean, signal: AbortSignal): Promise<RegistryLogin | undefined> {
    const { access, credentials, registry } = this.#settings
    if (access !== 'node' || credentials === null || credentials === undefined) return undefined
    const { file, username, password } = credentials
    if (file === undefined) return username && password ? { kind: 'basic', username, password } : undefined
    const known = again ? undefined : this.#logins.get(repository)
    if (known !== undefined) return known
    // one run of a helper's program serves everybody who waits for it
    const read = (shared: AbortSignal) => readDockerCredentials(file, registry.host, repository, shared)
    const found = await this.#reads.run(repository, read, signal)
    this.#logins.set(repository, found, FILE_MEMORY_MS)
    return found
  }
}

/** Bearer if it is offered, since its tokens are narrower than a password; else Basic. */
function chooseScheme(header: string | undefined, repository: string): Scheme | undefined {
  const challenges = parseChallenges(header)
  for (const { scheme, params } of challenges) {
    const realm = URL.parse(params.get('realm') ?? '')
    if (scheme !== 'bearer' || realm === null || !/^https?:$/.test(realm.protocol)) continue
    const scope = params.get('scope') || `repository:${repository}:pull`
    return { kind: 'bearer', query: { realm, service: params.get('service'), scope } }
  }
  return challenges.some(({ scheme }) => scheme === 'basic') ? { kind: 'basic' } : undefined
}
