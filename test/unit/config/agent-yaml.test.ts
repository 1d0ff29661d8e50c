import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { defaultConfig, loadConfig } from '../../../src/config/index.ts'
import { settingsSchema } from '../../../src/config/schema.ts'
import { schemaNode, settingPaths } from '../../../src/config/schema-walk.ts'
import { configurationPage } from '../../support/configuration-page.ts'

const FILE = join(import.meta.dirname, '../../../config/agent.yaml')

describe('config/agent.yaml', () => {
  it('says what holds without it', async () => {
    const { config, warnings } = await loadConfig({ file: FILE })
    assert.deepEqual(config, defaultConfig())
    assert.deepEqual(warnings, [])
  })

  it('has every key of the schema, and every key of an upstream and of the origins it shows', async () => {
    const text = await readFile(FILE, 'utf8')
    const raw = z.record(z.string(), z.unknown()).parse(parse(text))
    const root = schemaNode(settingsSchema)
    for (const path of settingPaths(root)) {
      const holder = path.slice(0, -1).reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], raw)
      assert.ok(Object.hasOwn(holder as object, path.at(-1) ?? ''), `${path.join('.')} is missing`)
    }
    const upstream = root.child('upstreams')?.child(0)
    for (const key of [...(upstream?.keys ?? []), ...(upstream?.child('origins')?.child(0)?.keys ?? [])]) {
      assert.match(text, new RegExp(`\\b${key}:`), `${key} is not shown`)
    }
  })

  it('is explained key by key in docs/configuration.md (else run: npm run docs:configuration)', async () => {
    const page = await readFile(join(import.meta.dirname, '../../../docs/configuration.md'), 'utf8')
    assert.equal(page, configurationPage())
  })

  it('explains every key in a comment above or beside it', async () => {
    const lines = (await readFile(FILE, 'utf8')).split('\n')
    const top = lines.slice(0, lines.indexOf('upstreams:') + 1)
    const silent = top.filter((line, index) => /^ {0,2}[a-zA-Z]+:/.test(line) && !/^ *#/.test(top[index - 1] ?? ''))
    assert.deepEqual(silent, [])
  })
})

describe('the configuration schema', () => {
  it('documents every key, at every depth', () => {
    const missing: string[] = []
    const visit = (node: ReturnType<typeof schemaNode>, path: string): void => {
      const inner = node.kind === 'list' || node.kind === 'map' ? [0] : node.keys
      if (node.kind !== 'section' && node.about === undefined && !path.endsWith('.0')) missing.push(path)
      for (const key of inner) {
        const child = node.child(key)
        if (child !== undefined) visit(child, `${path}.${key}`)
      }
    }
    visit(schemaNode(settingsSchema), '')
    assert.deepEqual(missing, [])
  })
})
