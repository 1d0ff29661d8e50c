import { z } from 'zod'
import type { Digest } from '../oci/digest.ts'
import { parseDigest } from '../oci/digest.ts'
import { canonicalRepository, canonicalUpstream, isRegistryHost, isRepositoryName, isTag } from '../oci/reference.ts'
import type { PushHint, WebhookSource } from './interface.ts'

/*
 * The documented formats of each source, of which only the named keys are read. What is not a push of a tag is
 * nothing to act on: a push of an index brings one untagged event for each of its manifests.
 */

/** Events of one request that are looked at. */
const MAX_EVENTS = 100
const MAX_TEXT = 600

const text = z.string().max(MAX_TEXT)

const distributionEvent = z.object({
  action: text,
  target: z.object({
    repository: text,
    tag: text.optional(),
    digest: text.optional(),
    url: z.string().max(2000).optional(),
  }),
  request: z.object({ host: text.optional() }).optional(),
})

const harborData = z.object({
  resources: z.array(z.unknown()),
  repository: z.object({ repo_full_name: text }),
})
const harborResource = z.object({ digest: text.optional(), tag: text.optional(), resource_url: text.optional() })

const dockerHub = z.object({
  push_data: z.object({ tag: text }),
  repository: z.object({ repo_name: text }),
})

const gitHubPackage = z.object({
  name: text,
  namespace: text.nullish(),
  owner: z.object({ login: text }).nullish(),
  package_type: text,
  package_version: z.object({
    version: text.nullish(),
    package_url: text.nullish(),
    container_metadata: z
      .object({ tag: z.object({ name: text.nullish(), digest: text.nullish() }).nullish() })
      .nullish(),
  }),
})

const ecrEvent = z.object({
  source: z.literal('aws.ecr'),
  'detail-type': z.literal('ECR Image Action'),
  account: z.string().regex(/^\d{12}$/),
  region: z.string().regex(/^[a-z]{2}(?:-[a-z]+)+-\d$/),
  detail: z.object({
    'action-type': text,
    result: text,
    'repository-name': text,
    'image-digest': text.optional(),
    'image-tag': text.optional(),
  }),
})

type Parse = (body: unknown) => PushHint[] | undefined

const PARSERS: Readonly<Record<WebhookSource, Parse>> = {
  distribution: parseDistribution,
  harbor: parseHarbor,
  dockerhub: parseDockerHub,
  ghcr: parseGitHub,
  ecr: parseEcr,
}

/** The pushes of tags that a webhook's JSON tells of; undefined when it is not in the format of its source. */
export function parsePayload(source: WebhookSource, body: unknown): PushHint[] | undefined {
  return PARSERS[source](body)
}

/** Distribution's notifications: an envelope of events, layers and pulls among them. */
function parseDistribution(body: unknown): PushHint[] | undefined {
  const envelope = z.object({ events: z.array(z.unknown()) }).safeParse(body)
  if (!envelope.success) return undefined
  return envelope.data.events.slice(0, MAX_EVENTS).flatMap((one) => {
    const { data } = distributionEvent.safeParse(one)
    if (data?.action !== 'push') return []
    const { repository, tag, digest, url } = data.target
    return hint({ host: data.request?.host ?? hostOf(url), repository, tag, digest })
  })
}

/** Harbor's default payload, and the same data as a CloudEvent. */
function parseHarbor(body: unknown): PushHint[] | undefined {
  const event = z
    .object({ type: text, event_data: z.unknown().optional(), data: z.unknown().optional() })
    .safeParse(body)
  if (!event.success) return undefined
  const { type } = event.data
  if (type !== 'PUSH_ARTIFACT' && type !== 'harbor.artifact.pushed') return []
  const { data } = harborData.safeParse(type === 'PUSH_ARTIFACT' ? event.data.event_data : event.data.data)
  return data?.resources.slice(0, MAX_EVENTS).flatMap((one) => {
    const resource = harborResource.safeParse(one).data
    const host = resource?.resource_url?.split('/', 1)[0]
    // Where there is no tag, Harbor repeats the digest, which is no tag by its grammar.
    return hint({ host, repository: data.repository.repo_full_name, tag: resource?.tag, digest: resource?.digest })
  })
}

function parseDockerHub(body: unknown): PushHint[] | undefined {
  const { data } = dockerHub.safeParse(body)
  if (data === undefined) return undefined
  return hint({ host: 'docker.io', repository: data.repository.repo_name, tag: data.push_data.tag })
}

/** GitHub's `registry_package` and `package` events; those of other kinds of packages are none of ours. */
function parseGitHub(body: unknown): PushHint[] | undefined {
  const event = z
    .object({ action: text.optional(), registry_package: z.unknown().optional(), package: z.unknown().optional() })
    .safeParse(body)
  if (!event.success) return undefined
  const { action, registry_package, package: other } = event.data
  if (action !== 'published' && action !== 'updated') return []
  const { data } = gitHubPackage.safeParse(registry_package ?? other)
  if (data === undefined) return undefined
  if (data.package_type.toLowerCase() !== 'container') return []
  const { package_url, version, container_metadata } = data.package_version
  const named = /^([^/]+)\/([^:@]+)(?::([^@]*))?/.exec(package_url ?? '')
  const owner = data.namespace || data.owner?.login || ''
  return hint({
    host: named?.[1] ?? 'ghcr.io',
    // GitHub keeps the capitals of owners' names, registries know none.
    repository: (named?.[2] ?? `${owner}/${data.name}`).toLowerCase(),
    tag: container_metadata?.tag?.name || named?.[3],
    digest: container_metadata?.tag?.digest || version,
  })
}

/** EventBridge sends one event a request; a pipe in between may send a list. */
function parseEcr(body: unknown): PushHint[] | undefined {
  const events = (Array.isArray(body) ? body.slice(0, MAX_EVENTS) : [body]).map((one) => ecrEvent.safeParse(one).data)
  if (events.every((event) => event === undefined)) return undefined
  return events.flatMap((event) => {
    if (event?.detail['action-type'] !== 'PUSH' || event.detail.result !== 'SUCCESS') return []
    const { account, region, detail } = event
    const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
    const host = `${account}.dkr.ecr.${region}.${suffix}`
    return hint({
      host,
      repository: detail['repository-name'],
      tag: detail['image-tag'],
      digest: detail['image-digest'],
    })
  })
}

interface Said {
  readonly host: string | undefined
  readonly repository: string
  readonly tag: string | undefined
  readonly digest?: string | null | undefined
}

/** A hint whose parts are in their grammars, or none. */
function hint({ host, repository, tag, digest }: Said): PushHint[] {
  const upstream = host !== undefined && isRegistryHost(host) ? canonicalUpstream(host) : undefined
  const name = canonicalRepository(upstream ?? '', repository)
  if (tag === undefined || !isTag(tag) || !isRepositoryName(name)) return []
  const known: Digest | undefined = parseDigest(digest ?? '')
  return [
    {
      repository: name,
      tag,
      ...(upstream === undefined ? {} : { upstream }),
      ...(known === undefined ? {} : { digest: known }),
    },
  ]
}

function hostOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : URL.parse(url)?.host
}
