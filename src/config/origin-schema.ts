import { z } from 'zod'
import { isRegistryHost } from '../oci/reference.ts'
import { parseRealmEntry } from '../origin/index.ts'
import { isStraightUrl } from './any-upstream.ts'
import { required, section, setting } from './setting.ts'
import { durationValue, textValue } from './value-types.ts'

/** S3 bucket naming rules, plus the dots and capitals that old buckets and stores have, and ARNs of access points. */
const BUCKET = /^(?:[A-Za-z0-9][A-Za-z0-9._-]{1,254}|arn:[A-Za-z0-9:/_-]{1,240})$/
const ROLE = /^arn:[a-z0-9-]+:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/
const REPOSITORY_TEMPLATE = /^[a-z0-9][a-z0-9._/-]*\{repository\}$|^\{repository\}$/
const HOUR_MS = 3_600_000

const KIND = { doc: 'What kind of place this is.', allowed: 's3, directory, layout or registry' }

/** An http(s) URL without user info, query or fragment: credentials have keys of their own. */
export function httpUrlValue() {
  return z.string({ error: 'is not a URL' }).refine(isPlainHttpUrl, { error: 'is not a plain http(s) URL' })
}

function isPlainHttpUrl(text: string): boolean {
  return isProxyUrl(text) && !/^https?:\/\/[^/?#]*@/i.test(text)
}

function registryUrlValue() {
  return z
    .string({ error: 'is not a URL' })
    .refine((text) => isStraightUrl(text) || (!text.includes('{') && isPlainHttpUrl(text)), {
      error: 'is not a plain http(s) URL',
    })
}

/** A proxy's URL may carry the name and password it asks for. */
function isProxyUrl(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && url.search === '' && url.hash === '' && /^https?:$/.test(url.protocol)
}

function pathValue() {
  return z.string({ error: 'is not a path' }).min(1, { error: 'is empty' })
}

const word = (doc: string) => required(z.string().min(1, { error: 'is empty' }), { doc, allowed: 'text' })
const file = (doc: string) => setting(pathValue().nullable(), null, { doc, allowed: 'a path or null' })
const time = (written: string, doc: string) =>
  setting(durationValue(HOUR_MS, '1h'), written, { doc, allowed: 'a duration such as 30s, up to 1h' })

/** Keys of every kind. */
const common = {
  use: setting(
    z
      .array(z.enum(['resolve', 'pull']))
      .min(1, { error: 'is empty' })
      .nullable(),
    null,
    {
      doc: 'What it is asked for: tags (resolve), content (pull). null: both, but files beside a registry only pull.',
      allowed: '[resolve], [pull], [resolve, pull] or null',
    },
  ),
  repository: setting(textValue(REPOSITORY_TEMPLATE, 'a repository name around {repository}').nullable(), null, {
    doc: 'What this origin calls a repository, such as dockerhub-proxy/{repository}; null: the same.',
    allowed: 'text that ends with {repository}, or null',
  }),
}

/** Keys of the kinds that are asked over a network. */
const network = {
  tls: section({
    ca: file('Authorities to believe besides those of the machine, PEM.'),
    cert: file('A client certificate to show, PEM.'),
    key: file('Its private key, PEM.'),
  }),
  proxy: setting(
    z
      .union([z.literal('none'), z.string().refine(isProxyUrl, { error: 'is not an http(s) URL' })], {
        error: 'is not a proxy',
      })
      .nullable(),
    null,
    {
      doc: 'A forward proxy. null: what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say; none: no proxy.',
      allowed: 'an http(s) URL, none or null',
    },
  ),
  timeouts: section({
    connect: time('5s', 'To get a connection.'),
    headers: time('60s', "From a request to the answer's headers."),
    idle: time('15s', 'Between two bytes of a body.'),
  }),
}

const s3Credentials = z.union(
  [
    z.literal('anonymous'),
    z.strictObject({
      accessKeyId: word('The key id.'),
      secretAccessKey: word('The secret.'),
      sessionToken: setting(z.string().min(1).nullable(), null, {
        doc: 'For temporary credentials.',
        allowed: 'text or null',
      }),
    }),
    z.strictObject({ profile: word('A profile of the AWS configuration files.') }),
    z.strictObject({
      role: required(textValue(ROLE, "a role's ARN"), { doc: 'A role to take on.', allowed: 'an ARN' }),
      externalId: setting(z.string().min(1).nullable(), null, {
        doc: "What the role's owner asks for.",
        allowed: 'text or null',
      }),
    }),
  ],
  { error: 'is none of anonymous, { accessKeyId, secretAccessKey }, { profile } and { role }' },
)

const s3Origin = z.strictObject({
  kind: required(z.literal('s3'), KIND),
  bucket: required(textValue(BUCKET, 'a bucket name'), {
    doc: "The bucket a registry's S3 storage driver writes to.",
    allowed: 'the name of a bucket, or the ARN of an access point',
  }),
  prefix: setting(z.string(), '', {
    doc: "The storage driver's rootdirectory inside the bucket.",
    allowed: 'text; "" is the top of the bucket',
  }),
  region: setting(z.string().min(1, { error: 'is empty' }), 'us-east-1', {
    doc: "The bucket's region; S3-compatible stores take any.",
    allowed: 'a region name',
  }),
  endpoint: setting(httpUrlValue().nullable(), null, {
    doc: 'An S3-compatible store instead of AWS.',
    allowed: 'an http(s) URL, or null for AWS',
  }),
  forcePathStyle: setting(z.boolean({ error: 'is neither true nor false' }), false, {
    doc: 'Put the bucket into the path instead of the host name; most S3-compatible stores need it.',
    allowed: 'true or false',
  }),
  credentials: setting(s3Credentials.nullable(), null, {
    doc: "In whose name it is read; null uses the AWS chain (environment, profile files, the instance's role).",
    allowed: 'anonymous, { accessKeyId, secretAccessKey, sessionToken }, { profile }, { role, externalId } or null',
  }),
  requesterPays: setting(z.boolean({ error: 'is neither true nor false' }), false, {
    doc: 'Pay for the transfer, as some buckets demand.',
    allowed: 'true or false',
  }),
  customerKeyFile: file('The key (32 bytes in base64) that the objects are encrypted with (SSE-C).'),
  ...common,
  ...network,
})

const directoryOrigin = z.strictObject({
  kind: required(z.literal('directory'), KIND),
  path: required(pathValue(), {
    doc: "A registry's rootdirectory: holds docker/registry/v2/. Need not exist yet.",
    allowed: 'a path, relative to the working directory',
  }),
  ...common,
})

const layoutOrigin = z.strictObject({
  kind: required(z.literal('layout'), KIND),
  path: required(pathValue(), {
    doc: 'An OCI image layout (index.json, oci-layout, blobs/), or a directory with one for each repository.',
    allowed: 'a path, relative to the working directory',
  }),
  ...common,
})

const registryOrigin = z.strictObject({
  kind: required(z.literal('registry'), KIND),
  url: required(registryUrlValue(), {
    doc: "The registry's API.",
    allowed: 'an http(s) URL without user info, query or fragment',
  }),
  namespace: setting(
    z
      .string({ error: 'is not a registry host' })
      .refine(isRegistryHost, { error: 'is not a registry host' })
      .nullable(),
    null,
    {
      doc: 'The registry that is meant, told to a mirror of several as ?ns=, such as another Shoal; null: not told.',
      allowed: 'host, host:port or null',
    },
  ),
  credentials: setting(
    z
      .strictObject({
        file: required(pathValue().optional(), { doc: "A Docker client's config.json.", allowed: 'a path' }),
        username: required(z.string().min(1).optional(), { doc: 'A user name.', allowed: 'text' }),
        password: required(z.string().min(1).optional(), { doc: 'A password or access token.', allowed: 'text' }),
      })
      .refine(isOneKindOfCredentials, { error: 'needs either file, or username and password' })
      .nullable(),
    null,
    {
      doc: "The fleet's own read credentials; null asks anonymously.",
      allowed: '{ file }, { username, password } or null',
    },
  ),
  trustedRealms: setting(
    z.array(
      z.string({ error: 'is no host' }).refine((text) => parseRealmEntry(text) !== undefined, {
        error: 'is neither a host, host:port nor an http(s) URL',
      }),
      { error: 'is not a list' },
    ),
    [],
    {
      doc: 'Token servers that may have the credentials although they are not on a host of the registry\'s own domain, on its port or the default one: ["sso.example.com", "auth.corp:5001"].',
      allowed: 'a list of host, host:port or URL',
    },
  ),
  insecureRedirects: setting(z.boolean({ error: 'is neither true nor false' }), false, {
    doc: 'Follow redirects from https to http; content is proven by its digest either way.',
    allowed: 'true or false',
  }),
  ...common,
  ...network,
})

function isOneKindOfCredentials(given: {
  file?: string | undefined
  username?: string | undefined
  password?: string | undefined
}): boolean {
  const basic = given.username !== undefined && given.password !== undefined
  const none = given.username === undefined && given.password === undefined
  return given.file === undefined ? basic : none
}

/** Where an upstream's content comes from: one of the kinds of origin. */
export const originSchema = z.discriminatedUnion('kind', [s3Origin, directoryOrigin, layoutOrigin, registryOrigin], {
  error: 'is no kind of origin',
})
