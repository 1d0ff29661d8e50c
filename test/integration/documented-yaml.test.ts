import assert from 'node:assert/strict'
import { glob, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { loadConfig } from '../../src/config/index.ts'
import { LogLevel, PrometheusRegistry, ShoalNode } from '../../src/node/index.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../../src/swarm/index.ts'
import { newSigner } from '../support/cosign.ts'
import { TempDir } from '../support/temp-dir.ts'
import { TestAuthority } from '../support/test-authority.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Ports that are free, and a store of its own: all that a reader's host has and this one lacks. */
const HERE = ['mirror.listen=127.0.0.1:0', 'admin.listen=127.0.0.1:0', 'peer.listen=127.0.0.1:0']

interface Block {
  readonly file: string
  readonly line: number
  readonly yaml: string
}

/** What documentation shows of them, and whole files. */
async function blocks(): Promise<Block[]> {
  const found: Block[] = []
  for await (const file of glob('{README.md,docs/**/*.md,src/**/*.md,config/**/*.md}', { cwd: ROOT })) {
    const text = await readFile(join(ROOT, file), 'utf8')
    for (const match of text.matchAll(/^```ya?ml\n(.*?)^```/gms)) {
      found.push({ file, line: text.slice(0, match.index).split('\n').length, yaml: match[1] ?? '' })
    }
  }
  for await (const file of glob('config/{examples,compose,kubernetes}/**/{agent,cache,cache-*}.yaml', { cwd: ROOT })) {
    found.push({ file, line: 1, yaml: await readFile(join(ROOT, file), 'utf8') })
  }
  return found
}

const all = await blocks()

test('the documentation shows configurations, and there are examples', () => {
  for (const known of ['README.md', 'config/examples/air-gap/agent.yaml', 'config/kubernetes/cache.yaml']) {
    assert.ok(all.some(({ file }) => file === known))
  }
})

const authority = await TestAuthority.create()
const credential = await authority.cache('eu-1')

function contentOf(path: string): string {
  if (path.endsWith('cache.key')) return formatFleetKey(generateFleetKey())
  if (path.endsWith('.key')) return formatFleetKey(agentKeyOf(generateFleetKey()))
  if (path.endsWith('.pub')) return newSigner().publicKey
  if (path.endsWith('.crt')) return authority.pem
  return path.endsWith('.pem') ? credential.pem : 'a-secret-of-many-letters\n'
}

for (const { file, line, yaml } of all) {
  test(`the configuration in ${file}, line ${line}, starts`, async () => {
    await using directory = await TempDir.make()
    // the files it names, with what the commands beside it put there
    let text = yaml
    for (const [path] of yaml.matchAll(/\/etc\/shoal\/[\w./-]+/g)) {
      const made = join(directory.path, path.replaceAll('/', '_'))
      await writeFile(made, contentOf(path), { mode: 0o600 })
      text = text.replaceAll(path, made)
    }
    const config = join(directory.path, 'agent.yaml')
    await writeFile(config, text)
    const set = [...HERE, `store.path=${join(directory.path, 'store')}`]
    const loaded = await loadConfig({ file: config, set, cwd: directory.path })
    const deps = { logger: silentLogger, logs: new LogLevel('info', systemClock), registry: new PrometheusRegistry() }
    await using _node = await ShoalNode.start(loaded.config, deps)
  })
}
