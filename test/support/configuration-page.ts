import { settingsSchema } from '../../src/config/schema.ts'
import type { SchemaNode } from '../../src/config/schema-walk.ts'
import { schemaNode } from '../../src/config/schema-walk.ts'

const HEAD = `# Configuration

Every key that an agent or a cache knows, with its default. Made from the schema by \`npm run docs:configuration\`; a test fails when it is
not current. [\`config/agent.yaml\`](../config/agent.yaml) is the same as a file to start from. Above the file come environment variables
(\`SHOAL_STORE_PATH\` is \`store.path\`), and above those \`--set store.path=/data\`. \`shoal check\` says what is wrong with one. A key without
a default must be there; \`[]\` stands for each entry of a list.

| key | default | what may be written | what it is for |
|---|---|---|---|
`

/** The page \`docs/configuration.md\`. */
export function configurationPage(): string {
  return HEAD + rowsOf(schemaNode(settingsSchema), '').join('')
}

function rowsOf(node: SchemaNode, path: string): string[] {
  const own = node.about === undefined ? [] : [row(path, node.written, node.about.allowed, node.about.doc)]
  const inside = node.kind === 'list' || node.kind === 'map' ? node.child(0) : undefined
  const below = node.keys.flatMap((key) => {
    const child = node.child(key)
    return child === undefined ? [] : rowsOf(child, path === '' ? key : `${path}.${key}`)
  })
  return [...own, ...(inside === undefined ? [] : rowsOf(inside, `${path}[]`)), ...below]
}

function row(path: string, written: unknown, allowed: string, doc: string): string {
  const byDefault = written === undefined ? '' : code(JSON.stringify(written))
  return `| ${code(path)} | ${byDefault} | ${cell(allowed)} | ${cell(doc)} |\n`
}

function code(text: string): string {
  return `\`${cell(text)}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/<(\w+)>/g, '&lt;$1&gt;')
}
