import { z } from 'zod'
import { parseDigest } from '../oci/digest.ts'
import { canonicalRepository, canonicalUpstream, isRegistryHost, isRepositoryName, isTag } from '../oci/reference.ts'
import type { Hint, WebhookSource } from './interface.ts'

/*
 * The documented formats of each source, of which only the named keys are read. What is neither a push of a tag nor a deletion
 * is nothing to act on: a push of an index brings one untagged event for each of its manifests.
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

type Parse = (body: unknown) => Hint[] | undefined

const PARSERS: Readonly<Record<WebhookSource, Parse>> = {
  distribution: parseDistribution,
  harbor: parseHarbor,
  dockerhub: parseDockerHub,
  ghcr: parseGitHub,
  ecr: parseEcr,
}

/** The pushes of tags and the deletions that a webhook's JSON tells of; undefined when it is not in the format of its source. */
export function parsePayload(source: WebhookSource, body: unknown): Hint[] | undefined {
  return PARSERS[source](body)
}

const DISTRIBUTION: Readonly<Record<string, ToHint>> = { push: pushed, delete: deleted }

/** Distribution's notifications: an envelope of events, layers and pulls among them. */
function parseDistribution(body: unknown): Hint[] | undefined {
  const envelope = z.object({ events: z.array(z.unknown()) }).safeParse(body)
  if (!envelope.success) return undefined
  return envelope.data.events.slice(0, MAX_EVENTS).flatMap((one) => {
    const { data } = distributionEvent.safeParse(one)
    const toHint = data === undefined ? undefined : named(DISTRIBUTION, data.action)
    if (data === undefined || toHint === undefined) return []
    const { repository, tag, digest, url } = data.target
    return toHint({ host: data.request?.host ?? hostOf(url), repository, tag, digest })
  })
}

/** By the name of the default payload, and of the CloudEvent. */
const HARBOR: Readonly<Record<string, ToHint>> = {
  PUSH_ARTIFACT: pushed,
  'harbor.artifact.pushed': pushed,
  DELETE_ARTIFACT: deleted,
  'harbor.artifact.deleted': deleted,
}

/** Harbor's default payload, and the same data as a CloudEvent. */
function parseHarbor(body: unknown): Hint[] | undefined {
  const event = z
    .object({ type: text, event_data: z.unknown().optional(), data: z.unknown().optional() })
    .safeParse(body)
  if (!event.success) return undefined
  const { type } = event.data
  const toHint = named(HARBOR, type)
  if (toHint === undefined) return []
  const { data } = harborData.safeParse(type.startsWith('harbor.') ? event.data.data : event.data.event_data)
  return data?.resources.slice(0, MAX_EVENTS).flatMap((one) => {
    const resource = harborResource.safeParse(one).data
    const host = resource?.resource_url?.split('/', 1)[0]
    // Where there is no tag, Harbor repeats the digest, which is no tag by its grammar.
    return toHint({ host, repository: data.repository.repo_full_name, tag: resource?.tag, digest: resource?.digest })
  })
}

function parseDockerHub(body: unknown): Hint[] | undefined {
  const { data } = dockerHub.safeParse(body)
  if (data === undefined) return undefined
  return pushed({ host: 'docker.io', repository: data.repository.repo_name, tag: data.push_data.tag })
}

/** GitHub's `registry_package` and `package` events; those of other kinds of packages are none of ours. */
function parseGitHub(body: unknown): Hint[] | undefined {
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
  return pushed({
    host: named?.[1] ?? 'ghcr.io',
    // GitHub keeps the capitals of owners' names, registries know none.
    repository: (named?.[2] ?? `${owner}/${data.name}`).toLowerCase(),
    tag: container_metadata?.tag?.name || named?.[3],
    digest: container_metadata?.tag?.digest || version,
  })
}

const ECR: Readonly<Record<string, ToHint>> = { PUSH: pushed, DELETE: deleted }

/** EventBridge sends one event a request; a pipe in between may send a list. */
function parseEcr(body: unknown): Hint[] | undefined {
  const events = (Array.isArray(body) ? body.slice(0, MAX_EVENTS) : [body]).map((one) => ecrEvent.safeParse(one).data)
  if (events.every((event) => event === undefined)) return undefined
  return events.flatMap((event) => {
    const toHint = event?.detail.result === 'SUCCESS' ? named(ECR, event.detail['action-type']) : undefined
    if (event === undefined || toHint === undefined) return []
    const { account, region, detail } = event
    const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
    const host = `${account}.dkr.ecr.${region}.${suffix}`
    return toHint({
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

type ToHint = (said: Said) => Hint[]

/** A hint whose parts are in their grammars, or none. */
function pushed(said: Said): Hint[] {
  const place = placeOf(said)
  const tag = tagOf(said)
  if (place === undefined || tag === undefined) return []
  const digest = parseDigest(said.digest ?? '')
  return [{ ...place, tag, ...(digest === undefined ? {} : { digest }) }]
}

/** The tag and the image: a registry that has lost the one may have the other still. */
function deleted(said: Said): Hint[] {
  const place = placeOf(said)
  if (place === undefined) return []
  const tag = tagOf(said)
  const digest = parseDigest(said.digest ?? '')
  return [
    ...(tag === undefined ? [] : [{ ...place, deleted: { kind: 'tag', tag } as const }]),
    ...(digest === undefined ? [] : [{ ...place, deleted: { kind: 'digest', digest } as const }]),
  ]
}

function placeOf({ host, repository }: Said): Pick<Hint, 'upstream' | 'repository'> | undefined {
  const upstream = host !== undefined && isRegistryHost(host) ? canonicalUpstream(host) : undefined
  const name = canonicalRepository(upstream ?? '', repository)
  if (!isRepositoryName(name)) return undefined
  return { repository: name, ...(upstream === undefined ? {} : { upstream }) }
}

function tagOf({ tag }: Said): string | undefined {
  return tag !== undefined && isTag(tag) ? tag : undefined
}

/** What an action leads to; undefined for others, whatever they are called. */
function named(actions: Readonly<Record<string, ToHint>>, action: string): ToHint | undefined {
  return Object.hasOwn(actions, action) ? actions[action] : undefined
}

function hostOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : URL.parse(url)?.host
}
