import assert from 'node:assert/strict'
import { glob, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { askPrewarm, prewarmEnded } from '../support/ask-prewarm.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'
import { tempDir } from '../support/temp-dir.ts'

const ROOT = join(import.meta.dirname, '../..')
const PAGE = await readFile(join(ROOT, 'docs/troubleshooting.md'), 'utf8')

/** Cells of the page's tables, row by row. */
const ROWS = PAGE.split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| you see'))
  .map((line) => line.split('|').map((cell) => cell.trim()))

async function source(): Promise<string> {
  const texts: string[] = []
  for await (const file of glob('src/**/*.ts', { cwd: ROOT })) texts.push(await readFile(join(ROOT, file), 'utf8'))
  return texts.join('\n')
}

test('what the log is said to say in the guide to troubles, it says', async () => {
  const code = await source()
  const quoted = ROWS.flatMap(([, , says = '']) => [...says.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text))
  assert.ok(quoted.length > 10)
  for (const text of quoted)
    assert.ok(
      [`'${text}`, `\`${text}`].some((start) => code.includes(start)),
      text,
    )
})

test('the commands that the guides to troubles and to peak days name in their text run as a reader fills them in', async (t) => {
  const fleet = await NodeFleet.create(t)
  const directory = await tempDir(t)
  const image = await fleet.image({ sizeBytes: 65_536, layerCount: 1 })
  const upstreams = [directoryUpstream('registry.test', await fleet.push('origin', 'team/app', '1', image))]
  const cache = await fleet.start({ role: 'cache', upstreams })
  const agent = await fleet.start({ caches: [cache], upstreams })
  await agent.pull('registry.test', 'team/app', '1', image)
  const body = { images: ['registry.test/team/app:1'] }
  const job = await askPrewarm(cache, '', { method: 'POST', body })
  await prewarmEnded(cache, job.id)
  const config = join(directory, 'agent.yaml')
  await writeFile(config, `store: { path: ${directory}, capacity: 64MiB, minFree: 1MiB }\n`)
  const filled: readonly (readonly [word: string, value: string])[] = [
    ['IMAGE', 'registry.test/team/app:1'],
    ['ID', job.id],
    ['RUNTIME', `containerd --dry-run --runtime-version 2.1 --root ${directory}`],
    ['/etc/shoal/agent.yaml', config],
    ['plan', 'plan --hosts 2 --size 1MiB --gbps 1 --cache-gbps 1 --origin-gbps 1'],
    ['doctor', `doctor --config ${config}`],
  ]
  const pages = PAGE + (await readFile(join(ROOT, 'docs/peak-day.md'), 'utf8'))
  const named = new Set([...pages.matchAll(/`shoal ([a-z][^`]*)`/g)].map(([, line = '']) => line))
  assert.ok(named.size > 10)
  const env = { SHOAL_ADMIN: cache.adminUrl, SHOAL_TOKEN_FILE: join(cache.storeDir, 'admin.token') }
  for (const line of named) {
    const words = line.split(' ').map((word) => filled.find(([name]) => name === word)?.[1] ?? word)
    const { code, stdout, stderr } = await runCommand(words.join(' ').split(' '), undefined, env)
    // what doctor finds on this machine is its own business
    assert.ok((code === 0 || line === 'doctor') && stdout !== '' && stderr === '', `shoal ${line}: ${code} ${stderr}`)
  }
})

test('every link of the documentation leads somewhere', async () => {
  for await (const file of glob('{*.md,docs/**/*.md,src/**/*.md,config/**/*.md}', { cwd: ROOT })) {
    const text = await readFile(join(ROOT, file), 'utf8')
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)\s#]+)(?:#[^)\s]*)?(?: "[^)]*)?\)/g)].map(([, to = '']) => to)
    for (const to of links) {
      const isThere = await readFile(join(ROOT, file, '..', to)).then(
        () => true,
        (error: NodeJS.ErrnoException) => error.code === 'EISDIR',
      )
      assert.ok(isThere, `${file} links to ${to}`)
    }
  }
})
