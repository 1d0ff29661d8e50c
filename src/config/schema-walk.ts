import type { z } from 'zod'
import type { SettingDoc } from './setting.ts'
import { settingDocs } from './setting.ts'

/** A place in the configuration: keys and list indexes from the top. */
export type KeyPath = readonly (string | number)[]

/** What the schema has at one place. */
export interface SchemaNode {
  readonly kind: 'section' | 'list' | 'map' | 'value'
  readonly about: SettingDoc | undefined
  /** The default as a user would write it; undefined when there is none. */
  readonly written: unknown
  /** The keys of a section. */
  readonly keys: readonly string[]
  /** What lies below `key`; undefined when there is no such key. */
  child(key: string | number): SchemaNode | undefined
}

/** The schema as a tree of keys, whatever zod wraps around them. */
export function schemaNode(schema: z.core.$ZodType): SchemaNode {
  const peeled = peel(schema)
  const def = (peeled.inner as z.core.$ZodTypes)._zod.def
  const common = { about: peeled.about, written: peeled.written }
  switch (def.type) {
    case 'object':
      return { kind: 'section', ...common, ...children([def.shape]) }
    case 'array':
      return { ...common, kind: 'list', keys: [], child: (key) => (isIndex(key) ? schemaNode(def.element) : undefined) }
    case 'record':
      return {
        ...common,
        kind: 'map',
        keys: [],
        child: (key) => (key === '__proto__' ? undefined : schemaNode(def.valueType)),
      }
    case 'union': {
      const shapes = def.options.flatMap((option) => {
        const inner = (option as z.core.$ZodTypes)._zod.def
        return inner.type === 'object' ? [inner.shape] : []
      })
      if (shapes.length > 0) return { kind: 'section', ...common, ...children(shapes) }
    }
  }
  return { ...common, kind: 'value', keys: [], child: () => undefined }
}

/** The node at `path`, or undefined. */
export function nodeAt(root: SchemaNode, path: KeyPath): SchemaNode | undefined {
  return path.reduce<SchemaNode | undefined>((node, key) => node?.child(key), root)
}

/** Every key that is not a section, outside of lists: what an environment variable can name. */
export function settingPaths(node: SchemaNode, prefix: readonly string[] = []): readonly (readonly string[])[] {
  return node.keys.flatMap((key) => {
    const child = node.child(key)
    if (child === undefined) return []
    return child.kind === 'section' ? settingPaths(child, [...prefix, key]) : [[...prefix, key]]
  })
}

function isIndex(key: string | number): boolean {
  return /^(?:0|[1-9]\d{0,3})$/.test(String(key))
}

function children(shapes: readonly Readonly<Record<string, z.core.$ZodType>>[]): Pick<SchemaNode, 'keys' | 'child'> {
  const fields = new Map(shapes.flatMap((shape) => Object.entries(shape)))
  return {
    keys: [...fields.keys()],
    child: (key) => {
      const field = fields.get(String(key))
      return field === undefined ? undefined : schemaNode(field)
    },
  }
}

/** Takes off what zod wraps around a type, noting the outermost documentation and default. */
function peel(schema: z.core.$ZodType): { inner: z.core.$ZodType; about: SettingDoc | undefined; written: unknown } {
  let inner = schema
  let about: SettingDoc | undefined
  let written: unknown
  for (;;) {
    about ??= settingDocs.get(inner as z.ZodType)
    const def = (inner as z.core.$ZodTypes)._zod.def
    if (def.type === 'prefault') written ??= def.defaultValue
    if (def.type === 'pipe') inner = def.in
    else if (def.type === 'prefault' || def.type === 'nullable' || def.type === 'optional') inner = def.innerType
    else return { inner, about, written }
  }
}
