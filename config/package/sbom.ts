import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { run } from './run.ts'

export interface SbomOptions {
  /** What is shipped. */
  readonly version: string
  /** Seconds since 1970: the time in it. */
  readonly epoch: string
  /** The Node that comes along. */
  readonly node: string
}

const DEVELOPMENT = 'cdx:npm:package:development'

/** What is read of npm's; the rest stays as npm has it. */
const cycloneDx = z.looseObject({
  bomFormat: z.literal('CycloneDX'),
  metadata: z.looseObject({ component: z.looseObject({ 'bom-ref': z.string() }) }),
  components: z.array(
    z.looseObject({
      'bom-ref': z.string(),
      properties: z.array(z.object({ name: z.string(), value: z.string() })).default([]),
    }),
  ),
  dependencies: z.array(z.looseObject({ ref: z.string(), dependsOn: z.array(z.string()).default([]) })),
})

/**
 * A bill of what is in the packages (CycloneDX, JSON): the locked production modules as npm tells of them, and Node. The same
 * commit gives the same bytes: npm's own time, serial number and the name of the directory are taken out.
 */
export function sbomText({ version, epoch, node }: SbomOptions): string {
  const told = run('npm', ['sbom', '--sbom-format=cyclonedx', '--package-lock-only', '--omit=optional'])
  const { metadata, components, dependencies, serialNumber: _, ...rest } = cycloneDx.parse(JSON.parse(told))
  const { component, tools: __, ...about } = metadata
  // not by --omit=dev: that leaves out what has the name of something that only development needs
  const shipped = components.filter(({ properties }) => !properties.some(({ name }) => name === DEVELOPMENT))
  const refs = new Set(shipped.map((one) => one['bom-ref']))
  const own = component['bom-ref']
  const ref = `shoal@${version}`
  const runtime = nodeComponent(node)
  const bill = {
    ...rest,
    metadata: {
      ...about,
      timestamp: new Date(Number(epoch) * 1000).toISOString(),
      component: {
        ...component,
        'bom-ref': ref,
        type: 'application',
        name: 'shoal',
        version,
        purl: `pkg:npm/${ref}`,
      },
    },
    components: [...shipped.toSorted((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1)), runtime],
    dependencies: [
      ...dependencies
        .filter((one) => one.ref === own || refs.has(one.ref))
        .map((one) => ({ ...one, dependsOn: one.dependsOn.filter((needed) => refs.has(needed)) }))
        .map((one) => (one.ref === own ? { ...one, ref, dependsOn: [...one.dependsOn, runtime['bom-ref']] } : one)),
      { ref: runtime['bom-ref'] },
    ],
  }
  return `${JSON.stringify({ ...bill, serialNumber: serialOf(JSON.stringify(bill)) }, null, 2)}\n`
}

function nodeComponent(path: string) {
  const version = run(path, ['--version']).trim().replace(/^v/, '')
  const content = createHash('sha256').update(readFileSync(path)).digest('hex')
  return {
    'bom-ref': `node@${version}`,
    type: 'application',
    name: 'node',
    version,
    purl: `pkg:generic/node@${version}`,
    hashes: [{ alg: 'SHA-256', content }],
    licenses: [{ license: { id: 'MIT' } }],
  }
}

/** A UUID that is a name of the content (RFC 9562, version 8). */
function serialOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  const variant = ((Number.parseInt(hex[16] ?? '0', 16) & 0x3) | 0x8).toString(16)
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `${variant}${hex.slice(17, 20)}`]
  return `urn:uuid:${[...parts, hex.slice(20, 32)].join('-')}`
}
