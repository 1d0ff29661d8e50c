import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { PROTOCOL } from '../../../src/node/protocol.ts'
import type { Message, Request } from '../../../src/swarm/index.ts'
import { linkMessages } from '../../../src/swarm/index.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../../../src/swarm/PROTOCOL.md'), 'utf8')

const DEFINITIONS: readonly (Message | Request)[] = Object.values({ ...linkMessages, ...PROTOCOL })

/** Rooms that put others together: they define nothing. */
const ABOVE = ['cli', 'demo', 'node', 'pull', 'setup']

/** The keys of an object in the order of its schema; `?`: may be absent. */
function keysOf(schema: unknown): string {
  assert.ok(schema instanceof z.ZodObject)
  const keys = Object.entries(schema.shape).filter(([key]) => key !== 'kind')
  return keys.map(([key, value]) => (value instanceof z.ZodOptional ? `${key}?` : key)).join(', ')
}

/** `stat`: size. */
function responseOf(schema: unknown): string {
  if (schema instanceof z.ZodDiscriminatedUnion) return schema.options.map(responseOf).join('; ')
  assert.ok(schema instanceof z.ZodObject && schema.shape.kind instanceof z.ZodLiteral)
  const keys = keysOf(schema)
  return keys === '' ? `\`${schema.shape.kind.value}\`` : `\`${schema.shape.kind.value}\`: ${keys}`
}

function rowOf({ name, ...definition }: Message | Request): string {
  if ('response' in definition) {
    return `| \`${name}\` | request | ${keysOf(definition.body)} | ${responseOf(definition.response)} |`
  }
  const { form } = definition
  return `| \`${name}\` | message | ${'tag' in form ? `binary, byte ${form.tag}` : keysOf(form)} | - |`
}

/** Lines of the table under a heading. */
function rowsUnder(heading: string): string[] {
  const section = PAGE.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  return section.split('\n').filter((line) => line.startsWith('| `'))
}

test('the protocol page has one row for everything that links carry, as it is defined', () => {
  assert.deepEqual(rowsUnder('Messages and requests'), DEFINITIONS.map(rowOf))
})

/** What a room's index exports as messages or requests. */
function definedIn(room: object): (Message | Request)[] {
  return Object.values(room).flatMap((exported: unknown) => {
    if (typeof exported !== 'object' || exported === null) return []
    const values: unknown[] = Object.values(exported)
    return values.length > 0 && values.every(isDefinition) ? values.filter(isDefinition) : []
  })
}

function isDefinition(value: unknown): value is Message | Request {
  return typeof value === 'object' && value !== null && 'name' in value && ('form' in value || 'response' in value)
}

test('what a room defines is carried by the links of a daemon, each under a name of its own', async () => {
  const src = join(import.meta.dirname, '../../../src')
  const rooms = globSync('*/index.ts', { cwd: src }).filter((room) => !ABOVE.includes(dirname(room)))
  const modules = await Promise.all(rooms.map(async (room): Promise<object> => await import(join(src, room))))
  const defined = modules.flatMap(definedIn).map(({ name }) => name)
  assert.deepEqual(defined.toSorted(), DEFINITIONS.map(({ name }) => name).toSorted())
})
