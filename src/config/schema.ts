import { isIP } from 'node:net'
import { z } from 'zod'
import { MAX_ADDRESSES } from '../base/address.ts'
import { LOG_LEVELS } from '../base/log.ts'
import { LABEL_KEY, LABEL_VALUE, REGION } from '../base/names.ts'
import { isRegistryHost } from '../oci/reference.ts'
import { ANY_UPSTREAM } from './any-upstream.ts'
import { httpUrlValue, originSchema } from './origin-schema.ts'
import { prewarm } from './prewarm-schema.ts'
import { required, section, setting } from './setting.ts'
import { dialValue, durationValue, listenValue, rateValue, sizeValue, textValue } from './value-types.ts'

const MIB = 1024 * 1024
const DAY_MS = 86_400_000

const RATE = 'bytes per second ("100MiB", 104857600), 0 for unlimited'
const LISTEN = 'host:port ([::1]:7070 for IPv6; port 0 takes a free one)'
const DIAL = 'a list of host:port, or dns:host:port for every address behind a name'
const REGION_NAME = 'a name of letters, digits, ".", "_" and "-", at most 63 long'

const regionValue = () => textValue(REGION, 'a region name')
const requiredFile = () => z.string({ error: 'is not a path' }).min(1, { error: 'is empty' })
const fileValue = () => z.string({ error: 'is not a path' }).min(1, { error: 'is empty' }).nullable()

const upstreamName = () =>
  z
    .string({ error: 'is not an upstream name' })
    .refine(isRegistryHost, { error: 'is neither a registry host nor a plain word' })

const upstreamOrAny = () =>
  z.string({ error: 'is not an upstream name' }).refine((text) => text === ANY_UPSTREAM || isRegistryHost(text), {
    error: 'is neither a registry host, a plain word nor "*"',
  })

const mirror = section({
  listen: setting(listenValue(), '127.0.0.1:7070', {
    doc: 'Where container runtimes pull: plain HTTP, so keep it on loopback. Off loopback it lends out no rights of its own without mirror.open.',
    allowed: LISTEN,
  }),
  hosts: setting(z.array(upstreamName(), { error: 'is not a list' }), [], {
    doc: 'Further names this mirror is called by; requests with other Host headers are refused.',
    allowed: 'a list of host or host:port',
  }),
  open: setting(z.boolean({ error: 'is neither true nor false' }), false, {
    doc: "Whether the fleet's own rights (access: node, credentials, buckets) may serve everybody who reaches a mirror that listens off loopback.",
    allowed: 'true or false',
  }),
  drain: setting(durationValue(DAY_MS, '24h'), '30s', {
    doc: 'How long running pulls may go on after SIGTERM.',
    allowed: 'a duration such as 30s, up to 24h; 0 ends them at once',
  }),
})

/**
 * `auto` is decided by fleet.keyFile: without proof of membership the port must not be reachable from outside. Names could
 * mean several addresses, of which each is told to peers.
 */
const peerListenValue = () =>
  z
    .union([z.literal('auto'), listenValue()], { error: 'is not an address' })
    .refine((listen) => listen === 'auto' || isIP(listen.host) !== 0, {
      error: 'is not an address to listen on: names are not',
    })

const peer = section({
  listen: setting(peerListenValue(), 'auto', {
    doc: 'Where other hosts of the fleet connect. auto: port 7071 on every interface with a fleet key, 127.0.0.1:7071 without.',
    allowed: 'auto, or address:port ([::1]:7071 for IPv6; port 0 takes a free one)',
  }),
  announce: setting(
    z.array(dialValue({ dns: false }), { error: 'is not a list' }).max(MAX_ADDRESSES, { error: 'is too long' }),
    [],
    {
      doc: "Addresses told to other hosts instead of this host's own: behind NAT, or in a container.",
      allowed: `a list of at most ${MAX_ADDRESSES} host:port`,
    },
  ),
  pieceChannel: setting(z.enum(['auto', 'tls', 'stream']), 'auto', {
    doc: 'How pieces travel. auto: TLS 1.3 on the same port, or the libp2p stream (at several times the CPU) where that fails.',
    allowed: 'auto, tls or stream',
  }),
})

const socketValue = () => z.string({ error: 'is not a path' }).min(1, { error: 'is empty' }).nullable()

const admin = section({
  listen: setting(listenValue(), '127.0.0.1:7072', {
    doc: 'Health, metrics and status, and what the commands talk to. Off loopback only with tokenFile.',
    allowed: LISTEN,
  }),
  tokenFile: setting(fileValue(), null, {
    doc: 'A file with the token that requests must carry (Authorization: Bearer), all but /healthz and /readyz. null: one made in the store, for all that changes something or names blobs, peers and jobs.',
    allowed: 'a path or null',
  }),
  socket: setting(socketValue(), 'auto', {
    doc: "A unix socket with the same routes for root and the agent's own user, without a token. auto: admin.sock in the store.",
    allowed: 'auto, a path, or null for none',
  }),
})

const store = section({
  path: setting(z.string({ error: 'is not a path' }).min(1, { error: 'is empty' }), './.shoal', {
    doc: 'Directory of the blobs on this host; made if missing. One process at a time.',
    allowed: 'a path, relative to the working directory',
  }),
  capacity: setting(sizeValue(64 * MIB, '64MiB'), '50GiB', {
    doc: 'Most bytes kept; the least recently used blobs leave first.',
    allowed: 'a size such as 50GiB, at least 64MiB',
  }),
  minFree: setting(sizeValue(0, '0'), '2GiB', {
    doc: 'Free space left to the rest of the disk, whatever the capacity says.',
    allowed: 'a size such as 2GiB, or 0',
  }),
  scrub: setting(durationValue(365 * DAY_MS, '365d'), '7d', {
    doc: 'How often all that is stored is slowly read and compared; what is damaged is fetched again.',
    allowed: 'a duration such as 7d, up to 365d; 0 for never',
  }),
})

const tier = section({
  region: setting(regionValue(), 'default', {
    doc: 'Hosts of one region share a swarm; for role cache, the region it serves.',
    allowed: REGION_NAME,
  }),
  zone: setting(regionValue().nullable(), null, {
    doc: 'A part of the region with cheaper traffic inside (rack, availability zone).',
    allowed: `${REGION_NAME}, or null`,
  }),
  labels: setting(
    z.record(textValue(LABEL_KEY, 'a label name'), textValue(LABEL_VALUE, 'a label value'), {
      error: 'is not a map of labels',
    }),
    {},
    {
      doc: 'What selectors choose hosts by, such as disk: ssd.',
      allowed: 'a map of names to text, each at most 63 of letters, digits, ".", "_" and "-"',
    },
  ),
  caches: setting(z.array(dialValue({ dns: true }), { error: 'is not a list' }), [], {
    doc: "The region's cache tier. Empty: this host is its own tier.",
    allowed: DIAL,
  }),
  parents: setting(
    z.array(
      z.strictObject({
        region: required(regionValue(), { doc: "The parent region's name.", allowed: REGION_NAME }),
        caches: required(z.array(dialValue({ dns: true }), { error: 'is not a list' }).min(1, { error: 'is empty' }), {
          doc: "The parent region's caches.",
          allowed: DIAL,
        }),
      }),
      { error: 'is not a list' },
    ),
    [],
    {
      doc: 'Regions to ask before the origin, nearest first.',
      allowed: 'a list of { region, caches }',
    },
  ),
})

const fleet = section({
  keyFile: setting(fileValue(), null, {
    doc: "The fleet's key, as `shoal fleet-key` or `shoal fleet init` makes it. Without one, peers on this machine only. While it is replaced, a line each: the first proves, all are accepted.",
    allowed: 'a path or null',
  }),
  authorities: setting(z.array(requiredFile(), { error: 'is not a list' }).max(8, { error: 'is too long' }), [], {
    doc: "Certificates of the authorities that say who is a cache and who may act on the fleet (`shoal fleet init`); two during a change. Empty: whoever holds the fleet's cache key.",
    allowed: 'a list of paths',
  }),
  credential: setting(fileValue(), null, {
    doc: "This host's own certificate (PEM), with its key unless credentialKey is set. Caches need one where there are authorities (`shoal fleet certify cache`).",
    allowed: 'a path or null',
  }),
  credentialKey: setting(fileValue(), null, {
    doc: "The credential's private key (PEM), when it is in a file of its own.",
    allowed: 'a path or null',
  }),
  revocations: setting(fileValue(), null, {
    doc: 'A certificate revocation list of an authority (`shoal fleet revoke`). On caches is enough: they hand it on.',
    allowed: 'a path or null',
  }),
  name: setting(textValue(REGION, 'a fleet name').nullable(), null, {
    doc: 'The only fleet whose certificates count, for authorities that serve several; null takes any.',
    allowed: `${REGION_NAME}, or null`,
  }),
  acceptCacheKeys: setting(z.boolean({ error: 'is neither true nor false' }), false, {
    doc: 'Whether the cache key still counts beside certificates: while a fleet moves from one to the other.',
    allowed: 'true or false',
  }),
})

const limits = section({
  upload: setting(rateValue(), 0, { doc: 'To other hosts.', allowed: RATE }),
  download: setting(rateValue(), 0, { doc: 'From other hosts and origins together.', allowed: RATE }),
  origin: setting(rateValue(), 0, { doc: 'From origins.', allowed: RATE }),
  prewarm: setting(rateValue(), 0, { doc: 'By prewarm jobs, which also yield to pulls.', allowed: RATE }),
})

const transfer = section({
  originRanges: setting(z.int({ error: 'is not a whole number' }).min(4).max(64), 16, {
    doc: 'Ranges read from origins at the same time, at most. It begins with four a blob and eight in all; more are tried while each more brings more.',
    allowed: 'a whole number from 4 to 64',
  }),
})

const tags = section({
  ttl: setting(durationValue(30 * DAY_MS, '30d'), '30s', {
    doc: 'How long a resolved tag is believed before the origin is asked again.',
    allowed: 'a duration such as 30s, up to 30d',
  }),
  maxStale: setting(durationValue(365 * DAY_MS, '365d'), '24h', {
    doc: 'How old an answer may be when the origin cannot be asked.',
    allowed: 'a duration such as 24h, up to 365d',
  }),
})

const log = section({
  level: setting(z.enum(LOG_LEVELS), 'info', {
    doc: 'Least severe entries written, to standard error.',
    allowed: 'trace, debug, info, warn, error or silent',
  }),
  pretty: setting(z.union([z.boolean(), z.literal('auto')], { error: 'is not one of these' }), 'auto', {
    doc: 'For eyes (true) or one JSON object per line (false). auto: for eyes on a terminal.',
    allowed: 'auto, true or false',
  }),
})

const tracing = section({
  endpoint: setting(httpUrlValue().nullable(), null, {
    doc: 'An OpenTelemetry collector that takes OTLP over HTTP: pulls are traced. null: only where the OTEL_ variables of the environment name one.',
    allowed: 'an http or https URL such as http://127.0.0.1:4318, or null',
  }),
})

const upstream = z.strictObject({
  name: required(upstreamOrAny(), {
    doc: 'The registry as images name it (docker.io, registry.corp:5000), or a plain word; "*" is every other public registry, as requests name it.',
    allowed: 'host, host:port, a plain word or "*"',
  }),
  access: setting(z.enum(['public', 'node', 'passthrough']).nullable(), null, {
    doc: "Whose rights count: anybody's, those of the origins' credentials, or the client's own token. null: node where a registry has credentials, else public.",
    allowed: 'public, node, passthrough or null',
  }),
  origins: setting(z.array(originSchema, { error: 'is not a list' }), [], {
    doc: 'Where its content comes from, tried in this order. For "*": https://{upstream}, or mirrors that are told which registry is meant.',
    allowed: 'a list of origins, each of kind s3, directory, layout or registry',
  }),
  signatures: setting(
    z
      .strictObject({
        keys: required(
          z
            .array(z.string({ error: 'is not a path' }).min(1, { error: 'is empty' }))
            .min(1, { error: 'is empty' })
            .max(16, { error: 'is too long' }),
          {
            doc: 'Public keys (PEM), of which one must have signed.',
            allowed: 'a list of paths',
          },
        ),
      })
      .nullable(),
    null,
    {
      doc: 'Tags are refused whose image is not signed by one of these keys, as cosign signs; looked up by whoever asks the origin. null: nothing need be signed.',
      allowed: '{ keys } or null',
    },
  ),
})

/**
 * Every configuration key with its type, range, default and meaning. Defaults are what a user would write; values
 * come out in bytes, bytes per second and milliseconds.
 */
export const settingsSchema = z.strictObject({
  role: setting(z.enum(['agent', 'cache']), 'agent', {
    doc: "agent: a host that runs containers. cache: one of its region's cache tier.",
    allowed: 'agent or cache',
  }),
  mirror,
  peer,
  admin,
  store,
  tier,
  fleet,
  limits,
  transfer,
  prewarm,
  tags,
  search: setting(z.array(upstreamOrAny(), { error: 'is not a list' }).nullable(), null, {
    doc: "Upstreams asked, in order, for a repository that names none (/v2/<repository>) and for Docker Hub's, before docker.io itself. null: local and docker.io, or all upstreams where there is neither.",
    allowed: 'a list of upstream names, or null',
  }),
  upstreams: setting(
    z.array(upstream, { error: 'is not a list' }).min(1, { error: 'is empty' }),
    [
      {
        name: 'docker.io',
        origins: [{ kind: 'registry', url: 'https://registry-1.docker.io', credentials: null, trustedRealms: [] }],
      },
      { name: 'local', origins: [{ kind: 'directory', path: './images' }] },
    ],
    {
      doc: 'The registries this host may pull from.',
      allowed: 'a list of { name, access, origins }',
    },
  ),
  log,
  tracing,
})

/** The configuration as written, parsed key by key, not yet checked across keys. */
export type Settings = z.output<typeof settingsSchema>
