import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { errorText } from '../../src/base/errors.ts'
import { execute } from './execute.ts'

const ROOT = join(import.meta.dirname, '../..')

/** Where kubernetes-types, made from the OpenAPI description of Kubernetes, has the kinds of an API version. */
const TYPES: Readonly<Record<string, string>> = {
  v1: 'core/v1',
  'apps/v1': 'apps/v1',
  'policy/v1': 'policy/v1',
  'networking.k8s.io/v1': 'networking/v1',
  'rbac.authorization.k8s.io/v1': 'rbac/v1',
}

const resourceSchema = z.looseObject({ apiVersion: z.string(), kind: z.string() })
export type Resource = z.infer<typeof resourceSchema>

/** The documents of a file of manifests. Throws for YAML that is none. */
export async function readManifests(file: string): Promise<unknown[]> {
  return parseAllDocuments(await readFile(file, 'utf8')).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0]
    return document.toJS()
  })
}

/** What is wrong with resources by their schema, as the compiler says it: keys that are unknown or missing, values of another type. */
export async function schemaFaults(resources: readonly unknown[], directory: string): Promise<string> {
  const lines = resources.map((raw, index) => {
    const resource = resourceSchema.parse(raw)
    const types = TYPES[resource.apiVersion]
    if (types === undefined) throw new TypeError(`no types for ${resource.apiVersion} ${resource.kind}`)
    const type = `import('${ROOT}/node_modules/kubernetes-types/${types}').${resource.kind}`
    return `export const r${index}: ${type} = ${JSON.stringify(resource, null, 2)}`
  })
  const file = join(directory, 'resources.ts')
  await writeFile(file, lines.join('\n'))
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', '']
  return execute(join(ROOT, 'node_modules/.bin/tsc'), ['--ignoreConfig', ...options, file]).then(
    () => '',
    (error: unknown) => errorText(error),
  )
}
