import { canonicalRepository, canonicalUpstream, isTag, looksLikeHost } from '../oci/reference.ts'

/** What containerd and docker call an image: always a whole reference. */
const CONTAINERD_NAME = 'io.containerd.image.name'
/** image-spec annotations.md: a tag, or with many tools a whole reference. */
const REF_NAME = 'org.opencontainers.image.ref.name'

/** What an index's entry is called. */
interface LayoutName {
  readonly tag: string
  /** The repository as it may be asked for, with and without its registry's host; undefined for a bare tag. */
  readonly repositories: readonly string[] | undefined
}

/** The name that an entry's annotations give it; undefined when they give none that can be asked for. */
export function namedIn(annotations: Readonly<Record<string, string>>): LayoutName | undefined {
  const text = annotations[CONTAINERD_NAME] ?? annotations[REF_NAME]
  if (text === undefined) return undefined
  const colon = text.lastIndexOf(':')
  if (colon < 0 || text.indexOf('/', colon) >= 0) {
    return isTag(text) ? { tag: text, repositories: undefined } : undefined
  }
  const tag = text.slice(colon + 1)
  const name = text.slice(0, colon).toLowerCase()
  return isTag(tag) && name !== '' ? { tag, repositories: spellings(name) } : undefined
}

function spellings(name: string): readonly string[] {
  const slash = name.indexOf('/')
  const host = name.slice(0, Math.max(slash, 0))
  if (!looksLikeHost(host)) return [name]
  return [name, canonicalRepository(canonicalUpstream(host), name.slice(slash + 1))]
}
