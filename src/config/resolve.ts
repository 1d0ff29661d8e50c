import { networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import type { Address } from '../base/address.ts'
import type { Frozen } from '../base/shape.ts'
import { canonicalUpstream, DOCKER_HUB } from '../oci/reference.ts'
import type { OriginSettings, OriginTransport } from '../origin/index.ts'
import { accessOf } from './access.ts'
import { ANY_UPSTREAM } from './any-upstream.ts'
import type { Settings } from './schema.ts'

const PEER_PORT = 7071

/**
 * The configuration in force: complete, checked across keys, deep-frozen. Sizes are in bytes, durations in
 * milliseconds, rates in bytes per second (0 = unlimited); paths are absolute. What each key means: schema.ts.
 */
export type Config = Frozen<ReturnType<typeof resolved>>
export type UpstreamConfig = Config['upstreams'][number]

/** Turns checked settings into the configuration in force; relative paths start at `cwd`. */
export function resolveSettings(settings: Settings, cwd: string): Config {
  return deepFreeze(resolved(settings, cwd))
}

function resolved(settings: Settings, cwd: string) {
  const absolute = (path: string): string => resolve(cwd, path)
  const { mirror, peer, admin, store, fleet, tags, upstreams } = settings
  return {
    role: settings.role,
    mirror: {
      listen: mirror.listen,
      hosts: mirror.hosts.map((host) => host.toLowerCase()),
      open: mirror.open,
      drainMs: mirror.drain,
    },
    peer: { ...peer, listen: resolvePeerListen(peer.listen, fleet.keyFile) },
    admin: {
      listen: admin.listen,
      tokenFile: optional(admin.tokenFile, absolute),
      socket: admin.socket === 'auto' ? 'auto' : optional(admin.socket, absolute),
    },
    store: {
      path: absolute(store.path),
      capacityBytes: store.capacity,
      minFreeBytes: store.minFree,
      scrubMs: store.scrub,
    },
    tier: settings.tier,
    fleet: {
      ...fleet,
      keyFile: optional(fleet.keyFile, absolute),
      authorities: fleet.authorities.map(absolute),
      credential: optional(fleet.credential, absolute),
      credentialKey: optional(fleet.credentialKey, absolute),
      revocations: optional(fleet.revocations, absolute),
    },
    limits: settings.limits,
    transfer: settings.transfer,
    prewarm: resolvePrewarm(settings.prewarm, absolute),
    tags: { ttlMs: tags.ttl, maxStaleMs: tags.maxStale },
    search: (settings.search ?? searchFollowing(upstreams))
      .map(canonicalUpstream)
      .filter((name) => name !== ANY_UPSTREAM),
    upstreams: upstreams.map((upstream) => ({
      name: canonicalUpstream(upstream.name),
      access: accessOf(upstream),
      origins: upstream.origins.map((origin) => resolveOrigin(origin, absolute)),
      ...(upstream.signatures === null ? {} : { signatures: { keys: upstream.signatures.keys.map(absolute) } }),
    })),
    log: settings.log,
    tracing: settings.tracing,
  }
}

function resolvePrewarm(
  { hooks, hookWindow, docker, containerd }: Settings['prewarm'],
  absolute: (path: string) => string,
) {
  return {
    hooks: hooks.map(({ upstream, secretFile, ...rule }) => ({
      ...rule,
      upstream: upstream === null ? null : canonicalUpstream(upstream),
      secretFile: absolute(secretFile),
    })),
    hookWindowMs: hookWindow,
    docker: { socket: absolute(docker.socket) },
    // A client without a slash is looked for in PATH.
    containerd: { ...containerd, socket: absolute(containerd.socket) },
  }
}

/**
 * A name without a registry is Docker Hub's by convention; a fleet without that serves what it has. Not every upstream
 * beside docker.io: they would be told of, and could answer for, each of its images.
 */
function searchFollowing(upstreams: Settings['upstreams']): string[] {
  // what "*" stands for is asked where it is named, not searched
  const names = upstreams.map(({ name }) => canonicalUpstream(name)).filter((name) => name !== ANY_UPSTREAM)
  const usual = ['local', DOCKER_HUB].filter((name) => names.includes(name))
  return usual.length > 0 ? usual : names
}

/** Without proof of membership the peer port must not be reachable from outside. */
function resolvePeerListen(listen: 'auto' | Address, keyFile: string | null): Address {
  if (listen !== 'auto') return listen
  const everywhere = hasIpv6() ? '::' : '0.0.0.0'
  return { host: keyFile === null ? '127.0.0.1' : everywhere, port: PEER_PORT }
}

/** Where the system knows no IPv6, nothing can listen on `::`. */
function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((infos) => infos?.some(({ family }) => family === 'IPv6'))
}

type WrittenOrigin = Settings['upstreams'][number]['origins'][number]

function resolveOrigin(origin: WrittenOrigin, absolute: (path: string) => string): OriginSettings {
  switch (origin.kind) {
    case 's3':
      return { ...origin, customerKeyFile: optional(origin.customerKeyFile, absolute), ...transport(origin, absolute) }
    case 'directory':
    case 'layout':
      return { ...origin, path: absolute(origin.path) }
    case 'registry':
      return { ...origin, credentials: registryCredentials(origin, absolute), ...transport(origin, absolute) }
  }
}

type WrittenRegistry = Extract<WrittenOrigin, { kind: 'registry' }>

function registryCredentials({ credentials }: WrittenRegistry, absolute: (path: string) => string) {
  if (credentials === null) return null
  const { file, username, password } = credentials
  if (file !== undefined) return { file: absolute(file) }
  // The schema has made sure that both are there when file is not.
  return { username: username ?? '', password: password ?? '' }
}

function transport(
  { tls, proxy, timeouts }: Extract<WrittenOrigin, { proxy: unknown }>,
  absolute: (path: string) => string,
): Required<OriginTransport> {
  return {
    tls: { ca: optional(tls.ca, absolute), cert: optional(tls.cert, absolute), key: optional(tls.key, absolute) },
    proxy,
    timeouts: { connectMs: timeouts.connect, headersMs: timeouts.headers, idleMs: timeouts.idle },
  }
}

function optional(path: string | null, absolute: (path: string) => string): string | null {
  return path === null ? null : absolute(path)
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner)
  }
  return Object.freeze(value)
}
