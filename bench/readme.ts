// Writes the tables of bench/results into README.md and docs/benchmarks.md, and the picture of a burst: npm run bench:readme
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PAGES, replaceBlock } from './readme/block.ts'
import { burstPicture, PICTURE_FILE, picturedBurst } from './readme/burst-picture.ts'
import { readResults } from './readme/results.ts'

const ROOT = join(import.meta.dirname, '..')

const results = readResults(join(ROOT, 'bench', 'results'))
for (const [file, block] of Object.entries(PAGES)) {
  const page = readFileSync(join(ROOT, file), 'utf8')
  const updated = replaceBlock(page, block(results))
  if (updated !== page) writeFileSync(join(ROOT, file), updated)
  process.stdout.write(`${file} ${updated === page ? 'was up to date' : 'has what bench/results says now'}\n`)
}
const pictured = picturedBurst(results.fleet)
if (pictured !== undefined) writeFileSync(join(ROOT, PICTURE_FILE), burstPicture(pictured))
