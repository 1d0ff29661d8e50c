import { z } from 'zod'
import { required, setting } from './setting.ts'
import { textValue } from './value-types.ts'

/** S3 bucket naming rules, plus the dots and capitals that old buckets and S3-compatible stores have. */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/

const KIND = { doc: 'What kind of place this is.', allowed: 's3, directory or registry' }

/** An http(s) URL without user info, query or fragment: credentials have keys of their own. */
function httpUrlValue() {
  return z.string({ error: 'is not a URL' }).refine(isPlainHttpUrl, { error: 'is not a plain http(s) URL' })
}

function isPlainHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  return plain && (url.protocol === 'https:' || url.protocol === 'http:')
}

function pathValue() {
  return z.string({ error: 'is not a path' }).min(1, { error: 'is empty' })
}

const s3Origin = z.strictObject({
  kind: required(z.literal('s3'), KIND),
  bucket: required(textValue(BUCKET, 'a bucket name'), {
    doc: "The bucket a registry's S3 storage driver writes to.",
    allowed: 'the name of a bucket',
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
  credentials: setting(
    z
      .strictObject({
        accessKeyId: required(z.string().min(1), { doc: 'The key id.', allowed: 'text' }),
        secretAccessKey: required(z.string().min(1), { doc: 'The secret.', allowed: 'text' }),
        sessionToken: setting(z.string().min(1).nullable(), null, {
          doc: 'For temporary credentials.',
          allowed: 'text or null',
        }),
      })
      .nullable(),
    null,
    {
      doc: "Static keys; null uses the AWS chain (environment, profile files, the instance's role).",
      allowed: '{ accessKeyId, secretAccessKey, sessionToken } or null',
    },
  ),
})

const directoryOrigin = z.strictObject({
  kind: required(z.literal('directory'), KIND),
  path: required(pathValue(), {
    doc: "A registry's rootdirectory: holds docker/registry/v2/. Need not exist yet.",
    allowed: 'a path, relative to the working directory',
  }),
})

const registryOrigin = z.strictObject({
  kind: required(z.literal('registry'), KIND),
  url: required(httpUrlValue(), {
    doc: "The registry's API.",
    allowed: 'an http(s) URL without user info, query or fragment',
  }),
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

/** Where an upstream's content comes from: one of the three kinds of origin. */
export const originSchema = z.discriminatedUnion('kind', [s3Origin, directoryOrigin, registryOrigin], {
  error: 'is no kind of origin',
})
