import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '../../../src/base/errors.ts'
import type { BlobReader } from '../../../src/blob/interface.ts'
import { MendingReader } from '../../../src/blob/mending-reader.ts'
import { BytesReader } from '../../../src/blob/readers.ts'

const CONTENT = Buffer.from('all of a layer')

/** Reads half of it, and then fails as a disk does. */
class HalfReader extends BytesReader implements BlobReader {
  readonly #error: Error

  constructor(error: Error) {
    super(CONTENT, 'local')
    this.#error = error
  }

  override async *read(): AsyncIterable<Uint8Array> {
    yield CONTENT.subarray(0, 7)
    throw this.#error
  }
}

async function readAll(reader: BlobReader): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  const { signal } = new AbortController()
  for await (const chunk of reader.read({ start: 0, end: CONTENT.length }, signal)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

for (const code of ['STORE_CORRUPT', 'STORE_DISK_FULL', 'STORE_FAILED'] as const) {
  test(`a body goes on at the same byte where its disk fails with ${code}`, async () => {
    const from: number[] = []
    const reader = new MendingReader(new HalfReader(new ShoalError(code, 'the disk')), async (_, start) => {
      from.push(start)
      return new BytesReader(CONTENT, 'origin')
    })
    assert.deepEqual([await readAll(reader), from], [CONTENT, [7]])
  })
}

test('what is no fault of the disk ends it', async () => {
  const reader = new MendingReader(new HalfReader(new ShoalError('PEER_GONE', 'a peer')), () => assert.fail('reopened'))
  await assert.rejects(readAll(reader), /a peer/)
})
