// The process that store-crash.test.ts kills: `<directory> pieces|commits <seed>`. It tells each step on stdout.

import { silentLogger } from '../../src/base/log.ts'
import { noMetrics } from '../../src/base/metrics.ts'
import { DiskStore } from '../../src/store/index.ts'
import { allPieces, MIB, storeBlob, testBlob, writePieces } from '../unit/store/store-fixture.ts'

const [path = '', mode = '', seedText = ''] = process.argv.slice(2)
const seed = Number(seedText)

const store = await DiskStore.open(
  { path, capacityBytes: 256 * MIB, minFreeBytes: 0 },
  { logger: silentLogger, metrics: noMetrics },
)

function tell(line: string): void {
  process.stdout.write(`${line}\n`)
}

if (mode === 'pieces') {
  const blob = testBlob(8 * MIB, seed)
  const partial = await store.openPartial(blob.layout)
  await writePieces(partial, blob, [0, 2, 4, 6])
  // Rows are written in order, so that this row's being there means that those of the pieces are.
  await store
    .table('marks', { encode: (value: Uint8Array) => value, decode: (bytes) => bytes })
    .put('mark', new Uint8Array())
  tell('settled')
  await writePieces(partial, blob, allPieces(blob).slice(0, -1))
  tell('all but the last')
  setInterval(() => {}, 1000)
} else {
  for (let i = seed; ; i++) {
    await storeBlob(store, testBlob(MIB, i))
    tell(`committed ${i}`)
  }
}
