import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { it } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'

const DIRECTORY = join(import.meta.dirname, '../../config/compose')

/** The keys of the Compose Specification that the file uses, each as that has it. */
const serviceSchema = z.strictObject({
  image: z.string(),
  command: z.array(z.string()),
  restart: z.enum(['no', 'always', 'on-failure', 'unless-stopped']),
  network_mode: z.enum(['host', 'none', 'bridge']),
  read_only: z.boolean(),
  tmpfs: z.array(z.string()),
  stop_grace_period: z.string().regex(/^\d+s$/),
  depends_on: z.array(z.string()).default([]),
  volumes: z.array(z.string()),
})
const composeSchema = z.strictObject({
  services: z.record(z.string(), serviceSchema),
  volumes: z.record(z.string(), z.null()),
})

// what a container's settings say, documented-yaml.test.ts starts
it('the compose file is one, and all that it names is there: settings, volumes, services', async () => {
  const { services, volumes } = composeSchema.parse(parse(await readFile(join(DIRECTORY, 'compose.yaml'), 'utf8')))
  assert.deepEqual(Object.keys(services), ['cache', 'agent'])
  for (const service of Object.values(services)) {
    for (const other of service.depends_on) assert.ok(other in services, other)
    const mounted = new Map(service.volumes.map((text) => text.split(':').slice(0, 2).reverse() as [string, string]))
    for (const [target, source] of mounted) {
      if (!source.startsWith('./')) assert.ok(source in volumes, source)
      // the keys are the reader's own
      else if (target !== '/etc/shoal/keys') await stat(join(DIRECTORY, source))
    }
    const settings = service.command.at(-1) ?? ''
    const text = await readFile(join(DIRECTORY, mounted.get(settings) ?? ''), 'utf8')
    const paths = [...text.matchAll(/\/(?:etc|var)\/[\w./-]+/g)].map(([path]) => path)
    for (const path of paths) {
      assert.ok(
        [...mounted.keys()].some((target) => path === target || path.startsWith(`${target}/`)),
        path,
      )
    }
  }
})
