import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../../..')
const SOURCE = join(ROOT, 'src')
const COMMENT = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/g

const rooms = readdirSync(SOURCE, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(SOURCE, entry.name, 'index.ts')))
  .map(({ name }) => name)

function mapOf(room: string): string {
  const text = readFileSync(join(SOURCE, room, 'index.ts'), 'utf8')
  return (text.match(COMMENT) ?? []).join('\n')
}

/** By their names without the ending; what a browser gets and types of packages are not entered by it. */
function filesOf(room: string): string[] {
  const names = readdirSync(join(SOURCE, room)).filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
  return names.map((name) => name.slice(0, -'.ts'.length)).filter((name) => name !== 'index')
}

test('the map of a room has every file of it', () => {
  assert.ok(rooms.length > 15)
  const missing = rooms.flatMap((room) => {
    const map = mapOf(room)
    const named = new Set(map.match(/[a-z0-9]+(?:-[a-z0-9]+)*/g))
    const endings = [...map.matchAll(/\*(-[a-z-]+)/g)].map(([, ending = '']) => ending)
    const isNamed = (file: string): boolean => named.has(file) || endings.some((ending) => file.endsWith(ending))
    return filesOf(room).flatMap((file) => (isNamed(file) ? [] : `${room}/${file}`))
  })
  assert.deepEqual(missing, [])
})

test('the map of a room has no file that is not there', () => {
  const gone = rooms.flatMap((room) => {
    // its own files, by their endings
    const named = [...mapOf(room).matchAll(/(?<![\w/*-])([a-z0-9-]+)\.ts\b/g)].map(([, file = '']) => file)
    return named.filter((file) => !existsSync(join(SOURCE, room, `${file}.ts`))).map((file) => `${room}/${file}`)
  })
  assert.deepEqual(gone, [])
})

test('docs/architecture.md names rooms and files that are there', () => {
  const text = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8')
  const named = [...text.matchAll(/(?<![\w/.-])([a-z]+)\/([a-z0-9-]+)/g)].filter(([, room = '']) =>
    rooms.includes(room),
  )
  assert.ok(named.length > 25, `${named.length} files are named`)
  const gone = named.filter(([path]) => !existsSync(join(SOURCE, `${path}.ts`))).map(([path]) => path)
  assert.deepEqual(gone, [])
})
