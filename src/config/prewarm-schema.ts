import { z } from 'zod'
import { errorText } from '../base/errors.ts'
import { isRegistryHost } from '../oci/reference.ts'
import { parsePrewarmSpec } from '../prewarm/index.ts'
import { isPattern, WEBHOOK_SOURCES } from '../webhook/index.ts'
import { required, section, setting } from './setting.ts'
import { durationValue } from './value-types.ts'

const DAY_MS = 86_400_000
const MAX_RULES = 100
const SOURCES = WEBHOOK_SOURCES.join(', ')
const PATTERN = 'names with * (any characters but /) and ** (any characters)'

const pathValue = () => z.string({ error: 'is not a path' }).min(1, { error: 'is empty' })
const patternValue = () => z.string({ error: 'is no pattern' }).refine(isPattern, { error: 'is no pattern' })

/** What `shoal prewarm` takes beside the images, by the names that the admin API has for it. */
const optionsValue = z
  .record(z.string(), z.unknown(), { error: 'is not a group of keys' })
  .superRefine((options, context) => {
    const complaint = complaintAbout(options)
    if (complaint !== undefined) context.addIssue({ code: 'custom', message: `is not what a job takes: ${complaint}` })
  })

const hook = z.strictObject({
  source: required(z.enum(WEBHOOK_SOURCES), { doc: 'Who sends: the last part of /hooks/<source>.', allowed: SOURCES }),
  upstream: setting(
    z
      .string({ error: 'is not an upstream name' })
      .refine(isRegistryHost, { error: 'is not an upstream name' })
      .nullable(),
    null,
    {
      doc: 'What this fleet calls that registry; null believes the webhook, which may know it by another name.',
      allowed: 'the name of an upstream, or null',
    },
  ),
  repository: setting(patternValue(), '**', { doc: 'Which repositories.', allowed: PATTERN }),
  tag: setting(patternValue(), '*', {
    doc: 'Which tags; pushes without a tag never count, deletions without one where it is *.',
    allowed: PATTERN,
  }),
  purge: setting(z.boolean({ error: 'is neither true nor false' }), false, {
    doc: 'The rule is about deletions: what the registry then says it does not have leaves every host. Else it is about pushes.',
    allowed: 'true or false',
  }),
  secretFile: required(pathValue(), {
    doc: 'A file with what the sender proves to know: one line of at least 16 visible characters.',
    allowed: 'a path',
  }),
  options: setting(
    optionsValue,
    {},
    {
      doc: 'What the job is like: regions, select, hosts, waves, rate, pin, load... as in POST /api/v1/prewarm.',
      allowed: 'a group of keys as POST /api/v1/prewarm takes them, without images',
    },
  ),
})

export const prewarm = section({
  hooks: setting(z.array(hook, { error: 'is not a list' }).max(MAX_RULES, { error: 'is too long' }), [], {
    doc: 'Pushes that start a job, and deletions that start a purge: webhooks to /hooks/<source> of the admin server.',
    allowed: 'a list of { source, upstream, repository, tag, purge, secretFile, options }',
  }),
  hookWindow: setting(durationValue(DAY_MS, '24h'), '10m', {
    doc: 'How long a repeated webhook about the same digest starts nothing.',
    allowed: 'a duration such as 10m, up to 24h',
  }),
  docker: section({
    socket: setting(pathValue(), '/var/run/docker.sock', {
      doc: "Docker Engine's socket, for --load docker.",
      allowed: 'a path',
    }),
  }),
  containerd: section({
    socket: setting(pathValue(), '/run/containerd/containerd.sock', {
      doc: "containerd's socket, for --load containerd.",
      allowed: 'a path',
    }),
    namespace: setting(
      z.string({ error: 'is no name' }).regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,75}$/, { error: 'is no name' }),
      'k8s.io',
      {
        doc: 'Whose images.',
        allowed: 'a containerd namespace; k8s.io is what Kubernetes sees',
      },
    ),
    snapshotter: setting(
      z
        .string({ error: 'is no name' })
        .regex(/^[A-Za-z0-9._-]{1,75}$/, { error: 'is no name' })
        .nullable(),
      null,
      {
        doc: 'What layers are unpacked into; must be the one that containers use.',
        allowed: 'a snapshotter, or null for overlayfs',
      },
    ),
    client: setting(pathValue(), 'ctr', {
      doc: "containerd's own client program.",
      allowed: 'a path, or a name to be found in PATH',
    }),
  }),
})

function complaintAbout(options: Readonly<Record<string, unknown>>): string | undefined {
  if (Object.hasOwn(options, 'images')) return 'images are what the webhook says'
  try {
    parsePrewarmSpec({ ...options, images: ['registry.test/any'] })
    return undefined
  } catch (error) {
    return errorText(error)
  }
}
