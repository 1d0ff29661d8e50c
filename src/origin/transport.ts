import { readFileSync } from 'node:fs'
import type { AgentOptions } from 'node:https'
import type { LookupFunction } from 'node:net'
import { getCACertificates } from 'node:tls'
import type { Dispatcher } from 'undici'
import { Agent, EnvHttpProxyAgent } from 'undici'
import { errorText, ShoalError } from '../base/errors.ts'
import type { OriginTransport } from './config.ts'
import { keepsConnections } from './connections.ts'
import type { OriginOptions } from './options.ts'

/** What TLS needs beyond the defaults. */
interface TlsMaterial {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

/** A proxy's environment variables, as undici and node:http take them. */
interface ProxyVariables {
  readonly HTTP_PROXY?: string | undefined
  readonly HTTPS_PROXY?: string | undefined
  readonly NO_PROXY?: string | undefined
}

/**
 * How one network origin is reached: which authorities are believed, what certificate is shown, through which proxy,
 * how long it may take. Reads the named files once. Throws `CONFIG_INVALID` naming the file.
 */
export class Transport {
  readonly options: OriginOptions
  readonly #tls: TlsMaterial
  readonly #proxy: ProxyVariables

  constructor(settings: OriginTransport, defaults: OriginOptions) {
    this.options = withTimeouts(settings, defaults)
    this.#tls = {
      ca: readFile('tls.ca', settings.tls?.ca),
      cert: readFile('tls.cert', settings.tls?.cert),
      key: readFile('tls.key', settings.tls?.key),
    }
    this.#proxy = proxyVariables(settings.proxy ?? null)
  }

  /** For undici. `lookup` judges the addresses of names; a proxy looks names up by itself. */
  dispatcher(lookup: LookupFunction): Dispatcher {
    const { connectTimeoutMs, headersTimeoutMs, stallMs, maxSockets } = this.options
    const tls = { ...this.#tls, ca: this.#authorities() }
    const agent: Agent.Options = {
      connect: { timeout: connectTimeoutMs, lookup, ...tls },
      headersTimeout: headersTimeoutMs,
      bodyTimeout: stallMs * 2,
      connections: maxSockets,
      pipelining: keepsConnections() ? 1 : 0,
      // Parallel ranges are faster over several connections than over streams of one.
      allowH2: false,
      // Policies and cookies of a proxy in front: more than the 16 KiB that HTTP clients expect.
      maxHeaderSize: 64 * 1024,
    }
    const { HTTP_PROXY, HTTPS_PROXY, NO_PROXY } = this.#proxy
    if (HTTP_PROXY === undefined && HTTPS_PROXY === undefined) return new Agent(agent)
    // empty text overrides what the environment may have for the other scheme
    return new EnvHttpProxyAgent({
      ...agent,
      httpProxy: HTTP_PROXY ?? '',
      httpsProxy: HTTPS_PROXY ?? '',
      noProxy: NO_PROXY ?? '',
      requestTls: { timeout: connectTimeoutMs, ...tls },
    })
  }

  /** For node:http and node:https agents. */
  agentOptions(): AgentOptions {
    const { HTTP_PROXY, HTTPS_PROXY, NO_PROXY } = this.#proxy
    return {
      keepAlive: keepsConnections(),
      maxSockets: this.options.maxSockets,
      ...this.#tls,
      ca: this.#authorities(),
      proxyEnv: { HTTP_PROXY, HTTPS_PROXY, NO_PROXY },
    }
  }

  /** The program's authorities, the machine's (SSL_CERT_FILE counts), and the configured ones. */
  #authorities(): string[] {
    const own = this.#tls.ca === undefined ? [] : [this.#tls.ca]
    return [...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...own])]
  }
}

function withTimeouts({ timeouts }: OriginTransport, defaults: OriginOptions): OriginOptions {
  return {
    ...defaults,
    connectTimeoutMs: timeouts?.connectMs ?? defaults.connectTimeoutMs,
    headersTimeoutMs: timeouts?.headersMs ?? defaults.headersTimeoutMs,
    stallMs: timeouts?.idleMs ?? defaults.stallMs,
  }
}

/** null: the environment's; `none`: no proxy at all; else that one for everything. */
function proxyVariables(proxy: string | null): ProxyVariables {
  if (proxy === 'none') return {}
  if (proxy !== null) return { HTTP_PROXY: proxy, HTTPS_PROXY: proxy }
  const { env } = process
  return {
    HTTP_PROXY: env.http_proxy ?? env.HTTP_PROXY,
    HTTPS_PROXY: env.https_proxy ?? env.HTTPS_PROXY,
    NO_PROXY: env.no_proxy ?? env.NO_PROXY,
  }
}

function readFile(key: string, path: string | null | undefined): string | undefined {
  if (path === null || path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new ShoalError('CONFIG_INVALID', `${key}: ${path} cannot be read: ${errorText(cause)}`, { cause })
  }
}
