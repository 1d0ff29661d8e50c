// Writes the tables of bench/results into README.md: npm run bench:readme
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { replaceBlock, resultsBlock } from './readme/block.ts'
import { readResults } from './readme/results.ts'

const ROOT = join(import.meta.dirname, '..')
const README = join(ROOT, 'README.md')

const page = readFileSync(README, 'utf8')
const updated = replaceBlock(page, resultsBlock(readResults(join(ROOT, 'bench', 'results'))))
if (updated !== page) writeFileSync(README, updated)
process.stdout.write(
  updated === page ? 'README.md was up to date\n' : 'README.md has the tables of bench/results now\n',
)
