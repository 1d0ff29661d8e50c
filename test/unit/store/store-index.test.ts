import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { StoreIndex } from '../../../src/store/store-index.ts'
import { RecordedLogger } from '../../integration/swarm-support.ts'
import { NO_MOUNTS, SmallDisk } from '../../support/small-disk.ts'

test('an index whose disk is full says so once, and once that it can be written again', {
  skip: NO_MOUNTS,
}, async (t) => {
  const disk = await SmallDisk.inMemory(t, 'size=1m')
  const log = new RecordedLogger()
  await using index = await StoreIndex.open(join(disk.path, 'level'), log)
  const write = (key: string): Promise<void> => index.write([[key, new Uint8Array(4096)]], { sync: true })
  disk.fill()
  for (let i = 0; i < 5; i++) await assert.rejects(write(`key-${i}`), { code: 'STORE_DISK_FULL' })
  disk.unfill()
  for (let i = 0; i < 2; i++) await write(`key-${i}`)
  assert.equal(log.warnings.filter((line) => line.includes('cannot be written')).length, 1, log.warnings.join('\n'))
  assert.equal(log.infos.filter((line) => line.includes('can be written again')).length, 1, log.infos.join('\n'))
})
