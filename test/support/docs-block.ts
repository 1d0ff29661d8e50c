import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

/**
 * The code block that a page of the documentation calls `name` (the words behind its language), with what stands for a user's own
 * values replaced. Tests run the block itself, so that a page cannot promise what does not work.
 */
export function docsBlock(page: string, name: string, replacing: Readonly<Record<string, string>> = {}): string {
  const text = readFileSync(join(ROOT, page), 'utf8')
  const blocks = [...text.matchAll(/^```\w+ (.+)\n([\s\S]*?)^```$/gm)]
  const found = blocks.find(([, title]) => title === name)?.[2]
  if (found === undefined) throw new Error(`${page} has no block called "${name}"`)
  return Object.entries(replacing).reduce((block, [from, to]) => {
    if (!block.includes(from)) throw new Error(`the block "${name}" of ${page} does not mention ${from}`)
    return block.replaceAll(from, to)
  }, found)
}
