import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { readImageList } from '../../../src/cli/image-list.ts'
import { TempDir } from '../../support/temp-dir.ts'

async function imagesOf(text: string): Promise<string[]> {
  await using temp = await TempDir.make()
  const file = join(temp.path, 'file')
  await writeFile(file, text)
  return await readImageList(file)
}

const COMPOSE = `
x-base: &base { image: "registry.corp/base:1" }
services:
  web:
    image: registry.corp/shop/web:v42
    ports: ["80:80"]
  worker:
    <<: *base
  same: { image: registry.corp/shop/web:v42, build: . }
`
const KUBERNETES = `
apiVersion: v1
kind: Pod
spec:
  initContainers: [{ name: migrate, image: "registry.corp/shop/migrate:v42" }]
  containers:
    - name: web
      image: registry.corp/shop/web@sha256:${'ab'.repeat(32)}
      env: [{ name: image, value: not-an-image }]
---
kind: List
items:
  - kind: CronJob
    spec: { jobTemplate: { spec: { template: { spec: { containers: [{ image: host:5000/tools/cron }] } } } } }
---
`

describe('the images that a file names', () => {
  it('a list has one on a line, and comments', async () => {
    const text =
      '# shop\nregistry.corp/shop/web:v42\n\nhost:5000/a/b  # that one, too\nnginx\nregistry.corp/shop/web:v42\n'
    assert.deepEqual(await imagesOf(text), ['registry.corp/shop/web:v42', 'host:5000/a/b', 'nginx'])
  })

  it('a compose file has them under its services', async () => {
    assert.deepEqual(await imagesOf(COMPOSE), ['registry.corp/base:1', 'registry.corp/shop/web:v42'])
  })

  it('Kubernetes manifests have them in every kind that runs containers, in one file or many documents', async () => {
    assert.deepEqual(await imagesOf(KUBERNETES), [
      'registry.corp/shop/migrate:v42',
      `registry.corp/shop/web@sha256:${'ab'.repeat(32)}`,
      'host:5000/tools/cron',
    ])
  })

  it('JSON is read as well', async () => {
    const text = JSON.stringify({ spec: { containers: [{ image: 'nginx:1' }] } })
    assert.deepEqual(await imagesOf(text), ['nginx:1'])
  })

  it('what is filled in later is no image yet', async () => {
    await assert.rejects(imagesOf('services: { web: { image: "web:$TAG" } }'), { message: /docker compose config/ })
  })

  it('a file that names none, is no YAML or is not there is refused by its name', async () => {
    for (const text of ['services: {}', 'a: [', '', '# nothing\n']) {
      await assert.rejects(imagesOf(text), { code: 'PREWARM_INVALID', message: /^--from-file \// })
    }
    await assert.rejects(readImageList('/nowhere'), { code: 'PREWARM_INVALID', message: /\/nowhere: / })
  })
})
