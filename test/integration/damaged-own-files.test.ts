import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { HARMS } from '../support/harms.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'

const [UP, REPOSITORY] = ['registry.test', 'team/app']
/** What an agent keeps beside its blobs, each in a file of its own. */
const OWN_FILES = ['format', 'identity', 'identity-host', 'identity.homes', 'admin.token']
/** The directory of these files is the operator's: who replaces it has made a new host. */
const { 'in a directory that is a file now': _file, 'in a directory that has gone': _gone, ...OF_FILES } = HARMS

test('whatever becomes of the small files of a host, it starts without a human, serves, and does not complain again', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 256 * 1024, layerCount: 1 })
  await fleet.push('origin', REPOSITORY, 'v1', image)
  for (const [name, harm] of Object.entries(OF_FILES)) {
    await t.test(name, async () => {
      const path = join(fleet.directory, name.replaceAll(' ', '-'))
      const start = () =>
        fleet.start({ upstreams: [directoryUpstream(UP, join(fleet.directory, 'origin'))], store: { path } })
      const first = await start()
      await first.pull(UP, REPOSITORY, 'v1', image)
      await first.node[Symbol.asyncDispose]()
      const names = await readdir(path)
      for (const file of OWN_FILES) {
        assert.ok(names.includes(file), `there is no ${file}`)
        await harm(join(path, file))
      }
      const second = await start()
      await second.pull(UP, REPOSITORY, 'v1', image)
      assert.ok((await second.storedDigests()).includes(image.layers[0]!.digest), 'its blobs are still there')
      await second.node[Symbol.asyncDispose]()
      const third = await start()
      assert.ok((await readdir(path)).filter((file) => file.includes('.broken-')).length <= 2 * OWN_FILES.length)
      await third.node[Symbol.asyncDispose]()
    })
  }
})
