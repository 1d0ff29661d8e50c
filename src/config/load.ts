import { ShoalError } from '../base/errors.ts'
import { crossCheck } from './cross-check.ts'
import type { FileSource } from './file-source.ts'
import { readFileSource } from './file-source.ts'
import type { Override } from './overlay.ts'
import { overlay, readAssignments, readEnvironment } from './overlay.ts'
import type { Problem } from './problem.ts'
import { pathText, problemsOf, unknownKey, valueAt } from './problem.ts'
import type { Config } from './resolve.ts'
import { resolveSettings } from './resolve.ts'
import type { Settings } from './schema.ts'
import { settingsSchema } from './schema.ts'
import type { KeyPath, SchemaNode } from './schema-walk.ts'
import { schemaNode } from './schema-walk.ts'
import { checkSecretFiles } from './secret-files.ts'

export interface ConfigInput {
  /** A YAML file; none means defaults only. */
  readonly file?: string | undefined
  /** Usually process.env; only SHOAL_ variables are looked at. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  /** `a.b=value`, the last one wins. */
  readonly set?: readonly string[] | undefined
  /** What relative paths start at; default: the working directory. */
  readonly cwd?: string | undefined
}

export interface LoadedConfig {
  readonly config: Config
  /** One line each: what works but should be changed. */
  readonly warnings: readonly string[]
}

/**
 * Reads the configuration: file < environment < `--set`. Throws `CONFIG_INVALID` with all problems found, one line
 * each: where it is written, the key's path, what is wrong, and what is allowed.
 */
export async function loadConfig(input: ConfigInput): Promise<LoadedConfig> {
  const cwd = input.cwd ?? process.cwd()
  const root = schemaNode(settingsSchema)
  const file = input.file === undefined ? undefined : await readFileSource(input.file)
  const env = readEnvironment(input.env ?? {}, root)
  const set = readAssignments(input.set ?? [], root)
  const overrides = [...env.overrides, ...set.overrides]
  const merged = overlay(file?.raw ?? {}, overrides, root)

  const { settings, problems } = parseSections(merged.raw, root)
  const files = await checkSecretFiles(settings, cwd)
  const found = [...problems, ...crossCheck(settings), ...files.problems]
  const lines = [
    ...[env, set, merged].flatMap((source) => source.problems.map((problem) => problemLine(problem.source, problem))),
    ...found.map((problem) => problemLine(sourceOf(problem.path, overrides, file), problem)),
  ]
  if (lines.length > 0) throw new ShoalError('CONFIG_INVALID', lines.join('\n'), { details: { file: input.file } })
  return {
    // Without problems, every section is there.
    config: resolveSettings(settings as Settings, cwd),
    warnings: files.warnings.map((warning) => problemLine(sourceOf(warning.path, overrides, file), warning)),
  }
}

/** The configuration of someone who configures nothing. */
export function defaultConfig(cwd: string = process.cwd()): Config {
  return resolveSettings(settingsSchema.parse({}), cwd)
}

/** Parses each section for itself, so that sound ones can still be checked against each other. */
function parseSections(raw: unknown, root: SchemaNode): { settings: Partial<Settings>; problems: Problem[] } {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    return {
      settings: {},
      problems: [{ path: [], message: `is not a group of keys; allowed: ${root.keys.join(', ')}` }],
    }
  }
  const sections: Record<string, unknown> = {}
  const problems: Problem[] = Object.keys(raw)
    .filter((key) => !root.keys.includes(key))
    .map((key) => unknownKey(root, [key]))
  for (const [key, schema] of Object.entries(settingsSchema.shape)) {
    // A section with nothing in it (`fleet:`) is null in YAML.
    const result = schema.safeParse(valueAt(raw, [key]) ?? undefined)
    if (result.success) sections[key] = result.data
    else
      problems.push(
        ...problemsOf(
          result.error.issues.map((issue) => below(key, issue)),
          root,
          raw,
        ),
      )
  }
  // Each value is the output of the schema of the same name.
  return { settings: sections as Partial<Settings>, problems }
}

function below<I extends { readonly path: PropertyKey[] }>(key: string, issue: I): I {
  return { ...issue, path: [key, ...issue.path] }
}

function problemLine(source: string | undefined, problem: Problem): string {
  const key = pathText(problem.path)
  const where = source?.endsWith(key) === true && source.startsWith('--set') ? source : joinNonEmpty(source, key)
  return where === '' ? `the configuration ${problem.message}` : `${where}: ${problem.message}`
}

function joinNonEmpty(...parts: (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== '').join(': ')
}

/** Who wrote the key: the last override at, above or below it, else the file; undefined for a default. */
function sourceOf(path: KeyPath, overrides: readonly Override[], file: FileSource | undefined): string | undefined {
  const override = overrides.findLast((candidate) =>
    candidate.path.every((key, depth) => depth >= path.length || String(key) === String(path[depth])),
  )
  return override?.source ?? file?.locate(path)
}
