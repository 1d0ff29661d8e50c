/** Run by few-files.test.ts under a low limit of open files: assembles, commits and reads many blobs of one store at once. */
import { ownFileShares } from '../../src/base/open-files.ts'
import { contentOf, openStore, sha256, testBlob } from '../unit/store/store-fixture.ts'

const BLOBS = 60
const KIB = 1024
const [path = ''] = process.argv.slice(2)
await using store = await openStore(path)

async function moveBlob(seed: number): Promise<void> {
  const blob = testBlob(700 * KIB, seed)
  await using partial = await store.openPartial(blob.layout)
  let isCommitted = false
  const read = async (): Promise<void> => {
    const target = new Uint8Array(1000)
    while (!isCommitted) {
      if (partial.have.has(0)) await partial.readInto(target, 0)
      else await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const reading = read()
  for (let piece = 0; piece < blob.layout.count; piece++) {
    const { start, end } = blob.layout.range(piece)
    const bytes = blob.bytes.subarray(start, end)
    await partial.write(piece, bytes, sha256(bytes))
  }
  await partial.commit()
  isCommitted = true
  await reading
  const content = await contentOf(store, blob.digest)
  if (content === undefined || Buffer.compare(content, blob.bytes) !== 0) throw new Error(`blob ${seed} is wrong`)
}

await Promise.all(Array.from({ length: BLOBS }, (_, seed) => moveBlob(seed)))
console.log(`${BLOBS} blobs through ${ownFileShares().content} descriptors`)
